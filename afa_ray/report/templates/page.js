"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  let data = JSON.parse(one("#data").textContent);
  const main = one("#texts");

  // Which texts are shown.
  function filter() {
    const label = one("#by-label")?.value ?? "", right = one("#by-right")?.value ?? "";
    let shown = 0;
    for (const article of all("article", main)) {
      const columns = all("[data-label]", article);
      article.hidden = !columns.some((c) =>
        (!label || c.dataset.label === label) && (!right || c.dataset.right === right));
      shown += article.hidden ? 0 : 1;
    }
    const state = one("#shown");
    if (state) state.textContent = label || right ? `${shown} of ${all("article", main).length} texts` : "";
  }
  for (const id of ["#by-label", "#by-right"]) one(id)?.addEventListener("change", filter);
  one("#numbers")?.addEventListener("change", (event) =>
    main.classList.toggle("hide-numbers", !event.target.checked));

  one("#export")?.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(data, null, 1)], { type: "application/json" }));
    link.download = "explanations.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });

  // A word's pieces and number: by pointing, tapping, or the arrow keys.
  let now = null;
  function choose(word) {
    now?.classList.remove("now");
    now = word;
    word.classList.add("now");
    const detail = one(".detail", word.closest("article"));
    if (detail) detail.textContent = `${word.firstChild.textContent.slice(0, 200)}: ${word.title.slice(0, 600)}`;
    word.scrollIntoView({ block: "nearest" });
  }
  main.addEventListener("click", (event) => {
    const word = event.target.closest("[data-w]");
    if (word) { choose(word); remove(word); }
  });
  main.addEventListener("keydown", (event) => {
    const text = event.target.closest(".text");
    if (!text) return;
    const words = all("[data-w]", text), at = words.indexOf(now);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step && words.length) {
      const turned = getComputedStyle(text).direction === "rtl" ? -step : step;
      choose(words[Math.min(words.length - 1, Math.max(0, at < 0 ? 0 : at + turned))]);
      event.preventDefault();
    } else if (["Delete", "Backspace", "Enter"].includes(event.key) && at >= 0) {
      remove(now);
      event.preventDefault();
    }
  });

  // The live page.
  const form = one("#ask");
  let asked = 0, removed = [];
  function remove(word) {
    if (!form) return;
    const number = +word.dataset.w, columns = all("[data-label]", word.closest("article"));
    const said = data[columns.indexOf(word.closest("[data-label]"))];
    const [start, end] = said.spans[number], typed = one("#typed");
    removed.push(said.words[number]);
    const letters = [...said.text]; // the spans count characters, not units of UTF-16
    typed.value = (letters.slice(0, start).join("") + letters.slice(end).join("")).replace(/ {2,}/g, " ");
    ask(data.map((d) => d.probabilities));
  }
  async function fetchTexts(methods, text) {
    const reply = await fetch("api/page", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text, methods, target: one("#goal").value || null }),
    });
    const found = await reply.json().catch(() => ({}));
    if (!reply.ok) throw new Error(typeof found.detail === "string" ? found.detail : `refused (${reply.status})`);
    return found;
  }
  const percent = (p) => p.toFixed(3).replace(/^0/, "");
  async function ask(before = null) {
    const turn = ++asked, state = one("#state"), text = one("#typed").value;
    if (!text.trim()) { state.textContent = "Type a text first: at least one word."; return; }
    const more = all("[name=method]:checked", form).map((box) => box.value);
    state.textContent = "Asking …";
    main.setAttribute("aria-busy", "true");
    try {
      for (const methods of more.length ? [["attention"], ["attention", ...more]] : [["attention"]]) {
        const began = performance.now(), found = await fetchTexts(methods, text);
        if (turn !== asked) return;
        data = found.explanations;
        main.innerHTML = found.html; // escaped by the server, as the whole page is
        now = null;
        filter();
        const last = methods.length > 1 || !more.length;
        state.textContent = `${Math.round(performance.now() - began)} ms` + (last ? "" : "; other methods follow …");
      }
      one("#removed").textContent = removed.length && before
        ? `Without ${removed.map((w) => `“${w.slice(0, 40)}”`).join(", ")}: ` + data.map((d, i) =>
            `${data.length > 1 ? `${d.model}: ` : ""}${d.label} ${percent(d.probability)}, was ${percent(before[i]?.[d.label] ?? 0)}`).join("; ")
        : "";
    } catch (error) {
      if (turn === asked) state.textContent = `Not explained: ${error.message}`;
    }
    if (turn === asked) main.setAttribute("aria-busy", "false");
  }
  form?.addEventListener("submit", (event) => { event.preventDefault(); removed = []; ask(); });
  one("#typed")?.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
  });
})();
