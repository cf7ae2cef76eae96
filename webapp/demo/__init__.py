"""`make demo`: database, history, web server, engine and a local Solana chain, started and stopped as one."""
