// Theme, local times, and the battle: both images in the same paint, answers by key, zoom of both together.
"use strict";

(() => {
  const root = document.documentElement;
  root.classList.add("scripted");

  // Theme: the system's, until someone chooses.
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

  // Times are written in UTC by the server; here they become local, exact on hover.
  function showLocalTimes() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      time.title = moment.toString();
      time.textContent = moment.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    }
  }

  // Neither image is painted before the other, whichever arrives first.
  async function showPair() {
    const battle = document.getElementById("battle");
    if (!battle) return;
    const images = [...battle.querySelectorAll(".picture img")];
    await Promise.allSettled(images.map((image) => image.decode()));
    // On the pair, which has no id: htmx would carry a class of #battle over to the battle that replaces it.
    battle.querySelector(".pair")?.classList.add("shown");
    for (const button of battle.querySelectorAll("[data-dialog]")) button.hidden = false;
  }

  // Zoom shows the same place of both images, so that details are compared with details.
  function zoom(event) {
    const pair = event.currentTarget.closest(".pair");
    const point = (moved) => {
      const box = moved.currentTarget.getBoundingClientRect();
      pair.style.setProperty("--x", `${(100 * (moved.clientX - box.left)) / box.width}%`);
      pair.style.setProperty("--y", `${(100 * (moved.clientY - box.top)) / box.height}%`);
    };
    // A click that a keyboard made has no place: the middle is shown.
    if (event.type === "click" && event.detail === 0) {
      pair.style.setProperty("--x", "50%");
      pair.style.setProperty("--y", "50%");
    } else {
      point(event);
    }
    if (event.type === "click") pair.classList.toggle("zoomed");
  }

  // How much of the longest prompt is typed: said only while someone types.
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
    // Nobody answers before seeing both.
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
