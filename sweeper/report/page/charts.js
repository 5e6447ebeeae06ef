// Every chart is drawn when it comes into view, and again when the colours change.

const PALETTE = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9', '#E69F00', '#8c6bb1', '#999999'];
const SYMBOLS = ['circle', 'diamond', 'square', 'cross', 'triangle-up', 'x', 'star', 'hexagon'];
const CONFIG = { responsive: true, displaylogo: false, displayModeBar: 'hover', modeBarButtonsToRemove: ['select2d', 'lasso2d'] };
const ONE_LINE = 30;
const charts = new Map();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function themed(layout) {
  const axis = { gridcolor: colour('line'), zeroline: false, linecolor: colour('line'), automargin: true };
  const full = {
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', margin: { l: 55, r: 15, t: 34, b: 45 },
    font: { family: 'system-ui, sans-serif', size: 13, color: colour('ink') }, hovermode: 'closest',
    legend: { orientation: 'h', yref: 'container', y: 0, yanchor: 'bottom', x: 0 }, // the tool bar is at the top
    modebar: { bgcolor: 'rgba(0,0,0,0)', color: colour('faint'), activecolor: colour('accent') }, ...layout,
  };
  for (const name of Object.keys(layout).filter((key) => /^[xy]axis/.test(key)).concat(['xaxis', 'yaxis'])) {
    full[name] = { ...axis, ...layout[name] };
  }
  return full;
}

function draw(node) {
  if (!window.Plotly) {
    addEventListener('load', () => draw(node));
    return;
  }
  const chart = charts.get(node);
  const { traces, layout } = chart.make();
  chart.seen = true;
  node.style.height = '';
  Plotly.react(node, traces, themed(layout), CONFIG);
  const legend = node.querySelector('.legend');
  const lines = legend ? legend.getBBox().height - ONE_LINE : 0;
  if (lines > 0) { // a legend of many lines makes the figure higher, not the plot lower
    node.style.height = `${node.clientHeight + lines}px`;
    Plotly.Plots.resize(node);
  }
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting && charts.has(entry.target) && !charts.get(entry.target).seen) draw(entry.target);
  }
}, { rootMargin: '200px' });

function chart(make, size = '') {
  const node = element('div', { class: `figure ${size}` });
  charts.set(node, { make, seen: false });
  watcher.observe(node);
  return node;
}

function redraw(node) {
  if (charts.get(node).seen) draw(node);
}
function redrawAll() {
  for (const [node, one] of charts) if (one.seen && node.isConnected) draw(node);
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawAll);
addEventListener('beforeprint', () => {
  for (const [node] of charts) if (node.isConnected && node.offsetParent !== null) draw(node);
});
addEventListener('afterprint', redrawAll);

function errorBars(rows, shade) {
  return {
    type: 'data', symmetric: false, thickness: 1.5, width: 4, color: shade,
    array: rows.map((row) => (row.perf.high === null ? 0 : row.perf.high - row.perf.mean)),
    arrayminus: rows.map((row) => (row.perf.low === null ? 0 : row.perf.mean - row.perf.low)),
  };
}
const hover = (rows) => rows.map((row) => `${row.place}. ${label(row.name, 90)}<br>${interval(row.perf)} (${row.trials.length} trials)${row.comparable ? '' : '<br>not comparable'}`);

const valuesOf = (axis) => [...new Set(axis.places.filter((place) => place !== null))].sort((a, b) => a - b);

function axisOf(axis) {
  const title = { text: label(axis.name) };
  if (axis.labels) {
    const most = axis.labels.length;
    return { title, tickvals: axis.labels.map((_, index) => index), ticktext: labels(axis.labels, 24), range: [-0.5, most - 0.5] };
  }
  const values = valuesOf(axis);
  const ticks = values.length <= 10 ? { tickvals: values, ticktext: numbers(values) } : {};
  return { title, type: axis.log ? 'log' : 'linear', ...ticks };
}
