"""Writing: one public function is one use case, one transaction, one commit. Nothing here knows of Flask."""
