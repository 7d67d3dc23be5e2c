"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
const options = { displayModeBar: false, responsive: true };

for (const element of document.querySelectorAll("[data-chart]")) {
  const { data, layout } = charts[element.dataset.chart];
  element.textContent = "";
  Plotly.newPlot(element, data, layout, options);
}

// On paper a chart is as wide as the page: its drawings are scaled, since Plotly would draw it too late.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  for (const container of document.querySelectorAll(".svg-container")) {
    const { offsetWidth: width, offsetHeight: height } = container;
    if (!width) continue;
    container.style.setProperty("--shape", `${width} / ${height}`);
    for (const drawing of container.querySelectorAll(".main-svg")) drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }
});
addEventListener("afterprint", () => {
  for (const drawing of document.querySelectorAll(".main-svg")) drawing.removeAttribute("viewBox");
});
