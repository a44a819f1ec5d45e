// The battle page: shows both images at once, opens the answers then, and keeps an answer until it has arrived.
"use strict";

(() => {
  // Without this file the images are visible from the start, and the answers are a plain form.
  document.documentElement.classList.add("scripted");

  // Seconds between two attempts to send something that did not arrive. The last one repeats.
  const PAUSES = [1, 2, 4, 8, 15, 30];

  // How long the pair of this page has been seen: {before, since} in milliseconds, null until all images are shown.
  let seen = null;
  // The request without an answer: {element, verb, path, values, attempts, timer}.
  let unsent = null;

  // Images

  // Another address, so that neither a cache nor a hanging connection answers.
  function fetchAgain(image) {
    const address = new URL(image.src);
    address.searchParams.set("again", 1 + Number(address.searchParams.get("again")));
    image.src = address;
  }

  // Neither image is painted before the other. The answers open once all images are on the screen.
  function showPair(battle) {
    const pair = battle.querySelector(".pair");
    if (!pair) return;
    const images = [...pair.querySelectorAll("img")];
    const loading = pair.querySelector(".loading");
    const missing = loading?.querySelector(".missing");
    let round = 0;

    async function load() {
      const current = ++round;
      if (missing) missing.hidden = true;
      const slow = setTimeout(() => { if (missing) missing.hidden = false; }, 1000 * pair.dataset.patience);
      const results = await Promise.allSettled(images.map(async (image) => {
        try {
          await image.decode();
        } catch (error) {
          if (round > 1) throw error;
          fetchAgain(image); // once without being asked
          await image.decode();
        }
      }));
      clearTimeout(slow);
      if (current !== round || !pair.isConnected) return;
      if (results.every((result) => result.status === "fulfilled")) show();
      else if (missing) missing.hidden = false;
    }

    function show() {
      if (loading) loading.hidden = true;
      // Set on the pair, which has no id: htmx would carry a class of #battle over to the next battle.
      pair.classList.add("shown");
      // The second frame begins when the first, with the images, is painted. A background tab has no frames.
      requestAnimationFrame(() => requestAnimationFrame(() => {
        if (!pair.isConnected) return;
        seen = { before: 0, since: document.hidden ? null : performance.now() };
        openAnswers(true);
      }));
    }

    if (loading) loading.hidden = false;
    missing?.querySelector("button").addEventListener("click", () => {
      for (const image of images) if (!image.complete || !image.naturalWidth) fetchAgain(image);
      load();
    });
    load();
  }

  function openAnswers(open) {
    const answers = document.querySelector("#battle form.vote fieldset");
    if (answers) answers.disabled = !open;
  }

  // Time in a background tab does not count.
  document.addEventListener("visibilitychange", () => {
    if (!seen) return;
    if (seen.since !== null) seen.before += performance.now() - seen.since;
    seen.since = document.hidden ? null : performance.now();
  });

  function secondsShown() {
    return (seen.before + (seen.since === null ? 0 : performance.now() - seen.since)) / 1000;
  }

  // Votes

  document.addEventListener("click", (event) => {
    const button = event.target.closest("#battle form.vote button");
    // A click without a mouse or a finger comes from a key.
    if (button) button.form.elements.how.value = event.detail ? "tap" : "key";
  }, true);

  // Before htmx: no vote before all images are shown, also while this page is still being loaded.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("#battle form.vote")) return;
    if (seen) {
      event.target.elements.seconds_shown.value = secondsShown().toFixed(3);
    } else {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);

  // Requests that do not arrive

  // Every page of this site that answers htmx is a #battle. The page of a proxy is not, nor is one of a failed server.
  function isAnswer(xhr) {
    if (xhr.getResponseHeader("HX-Redirect")) return true;
    return xhr.status < 500 && /^\s*<section id="battle"/.test(xhr.responseText);
  }

  function startSending(event) {
    const { elt: element, verb, path, formData } = event.detail.requestConfig;
    if (unsent && unsent.element !== element) {
      event.preventDefault();
    } else if (unsent) {
      clearTimeout(unsent.timer);
      document.querySelector("#battle .trouble button").disabled = true;
    } else if (element.matches("[data-resend]")) {
      unsent = { element, verb, path, values: Object.fromEntries(formData), attempts: 0, timer: null };
      openAnswers(false);
    }
  }

  function finishSending(event) {
    if (!isAnswer(event.detail.xhr)) {
      event.preventDefault(); // or htmx would put it in the place of the pair
      failSending(event);
    } else if (unsent?.element === event.detail.requestConfig.elt) {
      unsent = null;
    }
  }

  function failSending(event) {
    const element = event.detail.requestConfig.elt;
    const trouble = document.querySelector("#battle .trouble");
    if (!trouble || !element.dataset.trouble) return;
    const text = trouble.querySelector("p");
    // A screen reader says a sentence once, not at every attempt.
    if (text.textContent !== element.dataset.trouble) text.textContent = element.dataset.trouble;
    const button = trouble.querySelector("button");
    button.hidden = unsent?.element !== element;
    trouble.hidden = false;
    if (button.hidden) return;
    button.disabled = false;
    unsent.timer = setTimeout(sendAgain, 1000 * PAUSES[Math.min(unsent.attempts, PAUSES.length - 1)]);
    unsent.attempts += 1;
  }

  function sendAgain() {
    if (!unsent) return;
    const { element, verb, path, values } = unsent;
    // The failure is handled as an event.
    htmx.ajax(verb, path, { source: element, target: "#battle", swap: "outerHTML", values }).catch(() => {});
  }

  document.addEventListener("htmx:beforeRequest", startSending);
  document.addEventListener("htmx:beforeOnLoad", finishSending);
  document.addEventListener("htmx:sendError", failSending);
  document.addEventListener("htmx:timeout", failSending);
  window.addEventListener("online", sendAgain);
  window.addEventListener("beforeunload", (event) => {
    if (unsent?.element.matches("form.vote")) event.preventDefault();
  });

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
    const battle = document.getElementById("battle");
    if (!battle) return;
    seen = null;
    openAnswers(false);
    showPair(battle);
    setUpPrompt();
    battle.querySelector(".trouble button")?.addEventListener("click", sendAgain);
    for (const picture of battle.querySelectorAll(".picture")) {
      picture.addEventListener("click", zoom);
      picture.addEventListener("pointermove", (event) => {
        if (picture.closest(".pair").classList.contains("zoomed")) zoom(event);
      });
    }
    for (const button of battle.querySelectorAll("[data-dialog]")) {
      button.hidden = false;
      button.addEventListener("click", () => document.getElementById(button.dataset.dialog).showModal());
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.repeat) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, textarea, select, summary")) return;
    if (event.key === "Enter" && event.target.closest("a, button")) return;
    const chosen = document.querySelector(`#battle [data-key="${CSS.escape(event.key)}"]`);
    if (!chosen) return;
    event.preventDefault();
    chosen.click(); // does nothing while the answers are closed
  });

  document.addEventListener("DOMContentLoaded", () => {
    setUpBattle();
    document.body.addEventListener("htmx:afterSwap", setUpBattle);
  });
})();
