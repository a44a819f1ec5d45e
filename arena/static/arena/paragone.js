// Theme, local times, and the battle page: shows both images at once, votes by key, zooms both images together.
"use strict";

(() => {
  const root = document.documentElement;
  root.classList.add("scripted");

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

  // Neither image is painted before the other, whichever loads first.
  async function showPair() {
    const battle = document.getElementById("battle");
    if (!battle) return;
    const images = [...battle.querySelectorAll(".picture img")];
    await Promise.allSettled(images.map((image) => image.decode()));
    // Set on the pair, which has no id: htmx would carry a class of #battle over to the next battle.
    battle.querySelector(".pair")?.classList.add("shown");
    for (const button of battle.querySelectorAll("[data-dialog]")) button.hidden = false;
  }

  // Zoom into the same place of both images.
  function zoom(event) {
    const pair = event.currentTarget.closest(".pair");
    const point = (moved) => {
      const box = moved.currentTarget.getBoundingClientRect();
      pair.style.setProperty("--x", `${(100 * (moved.clientX - box.left)) / box.width}%`);
      pair.style.setProperty("--y", `${(100 * (moved.clientY - box.top)) / box.height}%`);
    };
    // A click by keyboard has no position: zoom into the middle.
    if (event.type === "click" && event.detail === 0) {
      pair.style.setProperty("--x", "50%");
      pair.style.setProperty("--y", "50%");
    } else {
      point(event);
    }
    if (event.type === "click") pair.classList.toggle("zoomed");
  }

  // Character count, shown once the rater types.
  function setUpPrompt() {
    const prompt = document.querySelector("#battle .own textarea");
    const count = document.querySelector("#battle .own .count");
    prompt?.addEventListener("input", () => {
      count.hidden = false;
      count.textContent = `${prompt.value.length} / ${prompt.maxLength}`;
    });
  }

  function setUpBattle() {
    showPair();
    setUpPrompt();
    for (const picture of document.querySelectorAll("#battle .picture")) {
      picture.addEventListener("click", zoom);
      picture.addEventListener("pointermove", (event) => {
        if (picture.closest(".pair").classList.contains("zoomed")) zoom(event);
      });
    }
    for (const button of document.querySelectorAll("#battle [data-dialog]")) {
      button.addEventListener("click", () => document.getElementById(button.dataset.dialog).showModal());
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.repeat) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, textarea, select, summary")) return;
    if (event.key === "Enter" && event.target.closest("a, button")) return;
    const chosen = document.querySelector(`#battle [data-key="${CSS.escape(event.key)}"]`);
    // No vote before both images are shown.
    if (!chosen || document.querySelector("#battle .pair:not(.shown)")) return;
    event.preventDefault();
    chosen.click();
  });

  document.addEventListener("DOMContentLoaded", () => {
    setUpTheme();
    showLocalTimes();
    setUpBattle();
    document.body.addEventListener("htmx:afterSwap", setUpBattle);
  });
})();
