"use strict";
(async () => {
  const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  const whole = new Intl.NumberFormat("en");

  async function unpacked(id) {
    const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (char) => char.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  // The page's content security policy runs a script only if its hash is that of a library.
  function run(source) {
    const script = document.createElement("script");
    script.textContent = source;
    document.head.append(script);
    script.remove();
  }

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  function bytes(value) {
    let place = 0;
    while (value >= 1000 && place < units.length - 1) {
      value /= 1000;
      place += 1;
    }
    return `${place ? value.toFixed(1) : value} ${units[place]}`;
  }

  const written = {
    text: String,
    list: String,
    time: String,
    count: (value) => whole.format(value),
    bytes,
    share: (value) => `${(100 * value).toFixed(1)}%`,
  };

  function escaped(text) {
    return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
  }

  function words(kind) {
    return kind === "text" || kind === "list" || kind === "time";
  }

  function cell(kind) {
    return (value, purpose) => {
      if (value === null) return purpose === "display" || purpose === "filter" ? "" : words(kind) ? "" : -1;
      if (purpose === "display" || purpose === "filter") return escaped(written[kind](value));
      return words(kind) ? escaped(value) : value;
    };
  }

  function section(id, title, ...children) {
    const heading = element("h2", { id: `${id}-title` }, title);
    const made = element("section", { id, "aria-labelledby": `${id}-title` }, heading, ...children);
    document.getElementById("main").append(made);
    document.getElementById("contents").append(element("a", { href: `#${id}` }, title));
    return made;
  }

  function known(rows) {
    const body = element("tbody");
    const sums = Object.fromEntries(
      ["flows", "packets", "bytes"].map((unit) => [unit, rows.reduce((sum, row) => sum + (row[unit] || 0), 0)]),
    );
    for (const row of rows) {
      const line = element("tr", {}, element("th", { scope: "row" }, row.name, element("small", {}, row.words)));
      for (const unit of ["flows", "packets", "bytes"]) {
        const value = row[unit];
        const share = value && sums[unit] ? value / sums[unit] : 0;
        const text = value === null ? "" : unit === "bytes" ? bytes(value) : whole.format(value);
        line.append(
          element(
            "td",
            {},
            element("span", { class: "amount" }, text),
            value ? element("meter", { min: 0, max: 1, value: share, title: written.share(share) }) : null,
          ),
        );
      }
      body.append(line);
    }
    const head = element("tr", {}, ...["Role", "Flows", "Packets", "Bytes"].map((name) => element("th", { scope: "col" }, name)));
    return element("div", { class: "scroll" }, element("table", { class: "known" }, element("thead", {}, head), body));
  }

  function table(described) {
    if (!described.rows.length) return;
    const cut = described.whole > described.rows.length;
    const made = element("table", { class: "display compact", "aria-label": described.title });
    section(
      described.name,
      described.title,
      cut
        ? element("p", { class: "remark" }, `The first ${whole.format(described.rows.length)} of ${whole.format(described.whole)}; for all: classifier ${described.name === "flows" ? "flows" : "report"} --format csv`)
        : null,
      element("div", { class: "scroll" }, made),
    );
    window.itables.jQuery(made).DataTable({
      data: described.rows,
      columns: described.columns.map(({ head, kind }, place) => ({
        title: escaped(head),
        data: place,
        render: cell(kind),
        className: words(kind) ? `words ${kind}` : "number",
        type: words(kind) ? "string" : "num",
      })),
      order: [],
      pageLength: 10,
      lengthMenu: [10, 25, 100, 500],
      autoWidth: false,
      deferRender: true,
      layout: { topStart: "search", topEnd: "pageLength", bottomStart: "info", bottomEnd: "paging" },
      language: { search: "Filter:", searchPlaceholder: "in all columns", lengthMenu: "_MENU_ rows" },
    });
  }

  const titles = {
    timeline: "Traffic over time",
    services: "Services by bytes",
    conversations: "Conversations",
    evidence: "Evidence for the server role",
  };

  const remarks = {
    timeline: "Drag to pan, Shift+wheel to zoom, double-click to reset. “(attempts)” are failed connection attempts, “other” is the total of the remaining services.",
    conversations: "IP bytes, without failed connection attempts. Ambiguous flows count for the likelier server; the Clients table excludes them.",
    evidence: "Roles are about which side is the server, not about the service's name: that comes from the payload where it is recognised, else from the port.",
  };

  async function chart(name, spec, place, themes) {
    const dark = window.matchMedia("(prefers-color-scheme: dark)").matches && !window.matchMedia("print").matches;
    const result = await window.vegaEmbed(place, spec, {
      mode: "vega-lite",
      ast: true,
      renderer: "svg",
      actions: false,
      defaultStyle: false,
      logLevel: 1, // errors
      tooltip: { disableDefaultStyle: true },
      config: themes[dark ? "dark" : "light"],
    });
    place.dataset.drawn = name;
    return result;
  }

  function charts(data) {
    const places = [];
    for (const [name, spec] of Object.entries(data.charts)) {
      if (name.endsWith("-log")) continue;
      const other = data.charts[`${name}-log`];
      const variants = [{ title: "Linear, stacked", spec }, ...(other ? [{ title: "Logarithmic", spec: other }] : [])];
      const place = element("div", { class: "chart" });
      const shown = { place, name, spec: variants[0].spec };
      const choice = variants.length > 1 ? element("div", { class: "choice", role: "group", "aria-label": "Scale" }) : null;
      for (const variant of variants.length > 1 ? variants : []) {
        const button = element("button", { type: "button", "aria-pressed": String(variant === variants[0]) }, variant.title);
        button.addEventListener("click", () => {
          for (const other of choice.children) other.setAttribute("aria-pressed", String(other === button));
          shown.spec = variant.spec;
          chart(name, shown.spec, place, data.themes);
        });
        choice.append(button);
      }
      const extra = name === "evidence" ? known(data.known) : null;
      const check = name === "evidence" && data.self_check ? element("p", {}, data.self_check) : null;
      section(name === "services" ? "services-chart" : name, titles[name], check, extra, choice, element("div", { class: "scroll" }, place), remarks[name] ? element("p", { class: "remark" }, remarks[name]) : null);
      places.push(shown);
    }
    return places;
  }

  function accounting(rows) {
    const body = element(
      "tbody",
      {},
      ...rows.map(([words, packets]) =>
        element("tr", {}, element("th", { scope: "row" }, words), element("td", {}, whole.format(packets))),
      ),
    );
    section("accounting", "Packet accounting", element("table", { class: "accounting" }, body));
  }

  const working = document.getElementById("working");
  try {
    const [data, charting, tabling] = await Promise.all(
      ["contents-data", "charts-library", "tables-library"].map(unpacked),
    );
    const found = JSON.parse(data);
    run(charting);
    run(tabling);
    const places = charts(found);
    found.tables.forEach(table);
    accounting(found.accounting);
    const draw = () => Promise.all(places.map(({ name, spec, place }) => chart(name, spec, place, found.themes)));
    await draw();
    working.remove();
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    window.addEventListener("beforeprint", draw);
    window.addEventListener("afterprint", draw);
    document.body.dataset.ready = "yes";
  } catch (error) {
    working.textContent = `This page could not be shown: ${error}. It needs a browser of 2023 or later.`;
    throw error;
  }
})();
