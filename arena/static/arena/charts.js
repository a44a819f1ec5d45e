// Charts: draws each .plot when it comes into view. The library is large, so it is loaded only then, from this site.
"use strict";

(() => {
  let library;

  function loadLibrary(address) {
    library ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error("The chart library could not be loaded."));
      document.head.append(script);
    });
    return library;
  }

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  async function draw(plot) {
    try {
      const [Plotly, response] = await Promise.all([loadLibrary(plot.dataset.plotly), fetch(plot.dataset.figure)]);
      if (!response.ok) throw new Error("The data could not be loaded.");
      const figure = await response.json();
      const axis = { gridcolor: color("--line"), linecolor: color("--line"), tickcolor: color("--line") };
      Object.assign(figure.layout, {
        paper_bgcolor: "transparent",
        plot_bgcolor: "transparent",
        font: { family: color("--sans"), color: color("--ink"), size: 14 },
        xaxis: { ...figure.layout.xaxis, ...axis },
        yaxis: { ...figure.layout.yaxis, ...axis },
      });
      for (const trace of figure.data) {
        trace.error_x = { ...trace.error_x, color: color("--muted") };
      }
      plot.replaceChildren();
      await Plotly.newPlot(plot, figure.data, figure.layout, { displayModeBar: false, responsive: true });
    } catch (error) {
      plot.textContent = `${error.message} The table above has the same figures.`;
    }
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "200px" });
  const plots = document.querySelectorAll(".plot[data-figure]");
  for (const plot of plots) seen.observe(plot);
  document.addEventListener("themechange", () => plots.forEach(draw));
})();
