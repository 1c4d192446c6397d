// Draws the curves of a job with uPlot, again after each swap. Without JavaScript their SVG stays.
(function () {
  "use strict";
  function draw(figure) {
    var data = JSON.parse(figure.dataset.points);
    if (data[0].length < 2) { return; }
    var small = figure.querySelector("svg");
    if (small) { small.remove(); }
    function size() { return { width: Math.min(720, figure.clientWidth || 360), height: 220 }; }
    var style = getComputedStyle(document.documentElement);
    var colour = style.getPropertyValue("--note").trim();
    var text = getComputedStyle(document.body).color;
    var faint = style.getPropertyValue("--faint").trim();
    var axis = { stroke: text, grid: { stroke: faint, width: 1 }, ticks: { stroke: faint } };
    var plot = new uPlot(Object.assign(size(), {
      legend: { show: false },
      scales: { x: { time: false } },
      axes: [axis, axis],
      series: [{ label: "step" }, { label: figure.dataset.name, stroke: colour, width: 2, spanGaps: true }]
    }), data, figure);
    new ResizeObserver(function () { if (size().width !== plot.width) { plot.setSize(size()); } }).observe(figure);
  }
  function drawAll() {
    document.querySelectorAll("figure.curve:not([data-drawn])").forEach(function (figure) {
      figure.dataset.drawn = "yes";
      draw(figure);
    });
  }
  drawAll();
  var live = document.getElementById("live");
  if (live) { new MutationObserver(drawAll).observe(live, { childList: true }); }
})();
