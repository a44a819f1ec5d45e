// Every page: theme and local times.
"use strict";

(() => {
  const root = document.documentElement;

  // Theme: the system's until the reader chooses one.
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const stored = localStorage.getItem("theme");
  if (stored) root.dataset.theme = stored;
  const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");

  function setUpTheme() {
    const button = document.getElementById("theme");
    const label = () => { button.textContent = theme() === "dark" ? "Light" : "Dark"; };
    button.hidden = false;
    label();
    button.addEventListener("click", () => {
      root.dataset.theme = theme() === "dark" ? "light" : "dark";
      localStorage.setItem("theme", root.dataset.theme);
      label();
      document.dispatchEvent(new Event("themechange"));
    });
  }

  // The server writes times in UTC. Show them in local time, in full on hover.
  function showLocalTimes() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      time.title = moment.toString();
      time.textContent = moment.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    setUpTheme();
    showLocalTimes();
  });
})();
