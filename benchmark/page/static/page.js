// Theme, sorting and filtering. Without this file the page is complete, only fixed.
"use strict";

(() => {
  const root = document.documentElement;
  root.dataset.js = ""; // the style sheet may rely on this file
  const KEY = "bench-theme";

  // --- Theme: before the first paint, so that nothing flashes -----------------------------------

  const remember = (value) => {
    try {
      if (value === undefined) return localStorage.getItem(KEY);
      localStorage.setItem(KEY, value);
    } catch { /* storage may be forbidden; the toggle works all the same */ }
    return null;
  };

  const saved = remember();
  if (saved === "dark" || saved === "light") root.dataset.theme = saved;

  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;

  function startTheme() {
    const button = document.querySelector("button.theme");
    const tell = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      tell();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
    tell();
  }

  // --- Sorting ----------------------------------------------------------------------------------

  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  function key(row, column, numeric) {
    const cell = row.cells[column];
    if (!numeric) return cell.textContent.trim();
    return cell.dataset.v === "" ? null : Number(cell.dataset.v);
  }

  function compare(a, b, numeric, sign) {
    if (a === null || b === null) return (a === null) - (b === null); // unknown ones stay last
    if (!numeric) return sign * words.compare(a, b);
    return a === b ? 0 : a < b ? -sign : sign;
  }

  function sort(table, header) {
    const numeric = header.classList.contains("n");
    const now = header.getAttribute("aria-sort");
    const falling = now ? now === "ascending" : numeric; // numbers: the greatest first
    const body = table.tBodies[0];
    const keyed = Array.from(body.rows, (row) => [key(row, header.cellIndex, numeric), row]);
    keyed.sort((a, b) => compare(a[0], b[0], numeric, falling ? -1 : 1));
    body.replaceChildren(...keyed.map((pair) => pair[1]));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", falling ? "descending" : "ascending");
  }

  function startSorting() {
    for (const table of document.querySelectorAll("main table")) {
      for (const header of table.tHead.rows[0].cells) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = header.textContent;
        button.addEventListener("click", () => sort(table, header));
        header.replaceChildren(button);
      }
    }
  }

  // A table of hundreds of rows shows its top: whatever order it is in, and whatever it is filtered by.
  function startLong() {
    for (const table of document.querySelectorAll("table.long")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "whole";
      button.textContent = `Show all ${table.tBodies[0].rows.length} rows`;
      button.addEventListener("click", () => {
        table.classList.remove("long");
        button.remove();
      });
      table.parentElement.after(button);
    }
  }

  // --- Filtering --------------------------------------------------------------------------------

  // A row that says nothing of a facet is not judged by it: a victim's scale has no attack.
  const fits = (facets, data) =>
    facets.every(([name, value]) => data[name] === undefined || data[name] === value);

  function startFilters() {
    const form = document.querySelector("form.filters");
    if (!form) return;
    const sections = Array.from(document.querySelectorAll("section.place"), (element) => ({
      element,
      link: document.querySelector(`nav.places a[href="#${element.id}"]`).parentElement,
      figures: Array.from(element.querySelectorAll("figure.chart")),
      tables: Array.from(element.querySelectorAll("section.table"), (box) => ({
        box, rows: Array.from(box.querySelectorAll("tbody tr")),
      })),
    }));
    const texts = new Map(); // rows' words in small letters, read when first needed
    const text = (section, row) => {
      if (!texts.has(row)) {
        const place = `${section.dataset.game} ${section.dataset.tier}`;
        texts.set(row, `${place} ${Object.values(row.dataset).join(" ")} ${row.textContent}`
          .toLowerCase());
      }
      return texts.get(row);
    };

    function apply() {
      const values = new FormData(form);
      const sought = values.get("find").trim().toLowerCase().split(/\s+/).filter(Boolean);
      values.delete("find");
      const facets = Array.from(values).filter((pair) => pair[1] !== "");
      let shown = 0, all = 0;
      for (const { element, link, figures, tables } of sections) {
        const show = (row) => fits(facets, { ...element.dataset, ...row.dataset })
          && sought.every((word) => text(element, row).includes(word));
        let here = 0;
        for (const { box, rows } of tables) {
          let visible = 0;
          for (const row of rows) {
            row.hidden = !show(row);
            visible += !row.hidden;
          }
          box.hidden = visible === 0;
          here += visible;
          all += rows.length;
        }
        for (const figure of figures) figure.hidden = !show(figure);
        element.hidden = link.hidden = here === 0;
        shown += here;
      }
      document.querySelector(".nothing").hidden = shown > 0 || all === 0;
      form.querySelector("output").textContent =
        shown === all ? `${all} rows` : `${shown} of ${all} rows`;
    }

    form.hidden = sections.length === 0;
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply)); // once the fields are empty
    apply();
  }

  document.addEventListener("DOMContentLoaded", () => {
    startTheme();
    startSorting();
    startLong();
    startFilters();
  });
})();
