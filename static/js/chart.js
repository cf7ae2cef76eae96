// Puts an interactive chart where the server drew a still one. Points come thinned from the server; nothing is
// computed here that a reader could take for a statistic. Without this file the still picture stays.
"use strict";

const CHART_POLL_MS = 10000;

/* Custom properties hold light-dark(): only a real element resolves them to a colour the library can read. */
const probe = document.createElement("span");
probe.hidden = true;
document.documentElement.append(probe);

function colour(name, alpha) {
  probe.style.color = `var(${name})`;
  const parts = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3);
  return alpha === undefined ? `rgb(${parts.join(",")})` : `rgba(${parts.join(",")},${alpha})`;
}

function frameOptions() {
  const line = colour("--line");
  return {
    autoSize: true,
    layout: {
      attributionLogo: false,
      background: { type: "solid", color: "transparent" },
      textColor: colour("--ink-soft"),
      fontFamily: getComputedStyle(document.body).fontFamily,
      fontSize: 11,
      panes: { separatorColor: line, separatorHoverColor: colour("--accent-wash"), enableResize: false },
    },
    grid: { vertLines: { color: colour("--line", 0.45) }, horzLines: { color: colour("--line", 0.45) } },
    crosshair: { mode: 0, vertLine: { labelVisible: true }, horzLine: { labelVisible: true } },
    rightPriceScale: { borderColor: line, scaleMargins: { top: 0.08, bottom: 0.06 } },
    // The library's own least bar spacing would cut the beginning off a long series.
    timeScale: { borderColor: line, timeVisible: true, secondsVisible: false, minBarSpacing: 0.001, rightOffset: 0 },
    localization: { locale: "en-GB" },
    handleScale: { mouseWheel: false },
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
  };
}

const money = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const percent = (ratio) => `${(ratio * 100).toFixed(2).replace("-", "\u2212")}\u202f%`;

function utcText(seconds) {
  return `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/* The library spaces points evenly whatever their times: every column of the range gets a place, empty ones too. */
function everyColumn(columns, width, draw) {
  if (!columns.length) return [];
  const byTime = new Map(columns.map((column) => [column[0], column]));
  const points = [];
  for (let time = columns[0][0]; time <= columns[columns.length - 1][0]; time += width) {
    const column = byTime.get(time);
    points.push(column ? { time, ...draw(column) } : { time });
  }
  return points;
}

class NavChart {
  constructor(element) {
    const lwc = window.LightweightCharts;
    this.chart = lwc.createChart(element, frameOptions());
    const plain = { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };
    this.gaps = this.chart.addSeries(lwc.HistogramSeries, { ...plain, priceScaleId: "gaps", priceFormat: { type: "volume" } });
    this.chart.priceScale("gaps").applyOptions({ scaleMargins: { top: 0, bottom: 0 }, visible: false });
    // The first series of a scale lends it its format.
    const usdc = { type: "custom", formatter: money.format, minMove: 0.01 };
    this.span = this.chart.addSeries(lwc.BarSeries, { ...plain, openVisible: false, thinBars: true, priceFormat: usdc });
    this.nav = this.chart.addSeries(lwc.AreaSeries, { lineWidth: 2, priceLineStyle: 2, priceFormat: usdc });
    const ratio = { type: "custom", formatter: percent, minMove: 0.0001 };
    this.fall = this.chart.addSeries(lwc.BaselineSeries, { ...plain, lineWidth: 1, baseValue: { type: "price", price: 0 }, priceFormat: ratio }, 1);
    const panes = this.chart.panes();
    panes[0].setStretchFactor(3);
    panes[1].setStretchFactor(1);
    this.paint();
  }

  paint() {
    const accent = colour("--accent");
    const loss = colour("--loss");
    this.chart.applyOptions(frameOptions());
    this.span.applyOptions({ upColor: colour("--accent", 0.4), downColor: colour("--accent", 0.4) });
    this.nav.applyOptions({ lineColor: accent, topColor: colour("--accent", 0.2), bottomColor: colour("--accent", 0.02) });
    this.gaps.applyOptions({ color: colour("--warn", 0.22) });
    this.fall.applyOptions({
      bottomLineColor: loss, bottomFillColor1: colour("--loss", 0.05), bottomFillColor2: colour("--loss", 0.25),
      topLineColor: loss, topFillColor1: "transparent", topFillColor2: "transparent",
    });
  }

  show(data) {
    const { columns, width, gaps } = data;
    this.width = width;
    this.columns = new Map(columns.map((column) => [column[0], column]));
    this.span.setData(everyColumn(columns, width, ([, open, low, high, close]) => ({ open: +open, high: +high, low: +low, close: +close })));
    this.nav.setData(everyColumn(columns, width, (column) => ({ value: +column[4] })));
    this.fall.setData(everyColumn(columns, width, (column) => ({ value: +column[5] })));
    const missing = (time) => gaps.some(([from, to]) => time > from - width && time + width <= to + width && !this.columns.has(time));
    const places = everyColumn(columns, width, () => ({})).map(({ time }) => (missing(time) ? { time, value: 1 } : { time }));
    this.gaps.setData(places);
  }

  words(time) {
    const column = this.columns.get(time);
    if (!column) return `${utcText(time)}: nothing was recorded`;
    const [, , low, high, last, fall] = column;
    const range = low === high ? "" : `, from ${money.format(low)} to ${money.format(high)}`;
    return `${utcText(time)}: NAV ${money.format(last)} USDC${range}; drawdown ${percent(+fall)}`;
  }
}

class CandleChart {
  constructor(element) {
    const lwc = window.LightweightCharts;
    this.chart = lwc.createChart(element, frameOptions());
    this.bars = this.chart.addSeries(lwc.CandlestickSeries, { borderVisible: false });
    this.paint();
  }

  paint() {
    const [rise, drop] = [colour("--gain"), colour("--loss")];
    this.chart.applyOptions(frameOptions());
    this.bars.applyOptions({ upColor: rise, downColor: drop, wickUpColor: rise, wickDownColor: drop });
  }

  show(data) {
    this.columns = new Map(data.columns.map((column) => [column[0], column]));
    this.bars.applyOptions({ priceFormat: { type: "price", precision: data.places, minMove: 10 ** -data.places } });
    this.bars.setData(everyColumn(data.columns, data.width, ([, open, high, low, close]) => ({ open: +open, high: +high, low: +low, close: +close })));
  }

  words(time) {
    const column = this.columns.get(time);
    if (!column) return `${utcText(time)}: no quote`;
    const [, open, high, low, close, ticks] = column;
    return `${utcText(time)}: open ${open}, high ${high}, low ${low}, close ${close} USDC, ${ticks} quotes`;
  }
}

const KINDS = { nav: NavChart, candles: CandleChart };

class Figure {
  constructor(element) {
    this.element = element;
    this.canvas = element.querySelector("[data-chart-canvas]");
    this.still = element.querySelector("[data-chart-still]");
    this.readout = element.querySelector("[data-chart-readout]");
  }

  async refresh() {
    // The answer carries a tag: an unchanged chart costs the server a version check and is not drawn again.
    const answer = await fetch(this.element.dataset.src, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) return;
    const tag = answer.headers.get("ETag");
    if (tag !== null && tag === this.tag) return;
    this.tag = tag;
    const data = await answer.json();
    if (!data.columns.length) return;
    if (!this.drawing) this.start();
    this.drawing.show(data);
    if (!this.fitted) this.drawing.chart.timeScale().fitContent();
    this.fitted = true;
    this.headline(data);
  }

  start() {
    this.canvas.hidden = false;
    this.still.hidden = true;
    this.readout.hidden = false;
    this.drawing = new KINDS[this.element.dataset.chart](this.canvas);
    this.readout.textContent = "Point at the chart to read it.";
    this.drawing.chart.subscribeCrosshairMove(({ time }) => {
      if (time !== undefined) this.readout.textContent = this.drawing.words(time);
    });
  }

  headline(data) {
    const value = this.element.querySelector("[data-chart-nav]");
    const change = this.element.querySelector("[data-chart-change]");
    if (!value || !change) return;
    value.textContent = data.nav;
    value.dataset.value = data.exact;
    change.textContent = `${data.change} (${data.ratio})`;
    change.className = `chart-change ${data.tone}`;
  }
}

const figures = [...document.querySelectorAll("figure[data-chart]")].map((element) => new Figure(element));

function refreshAll() {
  if (document.hidden) return;
  for (const figure of figures) figure.refresh().catch(() => {});
}

function repaintAll() {
  for (const figure of figures) figure.drawing?.paint();
}

if (window.LightweightCharts) {
  refreshAll();
  setInterval(refreshAll, CHART_POLL_MS);
  document.addEventListener("visibilitychange", refreshAll);
  new MutationObserver(repaintAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaintAll);
}
