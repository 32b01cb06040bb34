// Draws the charts and tables of the page from the JSON in it, and recolours the charts for dark pages and for print.
(() => {
  "use strict";
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const PRINTED_ROWS = 100; // rows of a table on paper
  const PRINTED_PX = 690; // width of a chart on paper: A4 at 96 dots per inch without its margins
  const PRINTED_HIGH_PX = 850; // highest chart on paper, so that a page has room for its title and description
  const DARK = window.matchMedia("(prefers-color-scheme: dark)");
  const FONT = "system-ui, 'Segoe UI', Roboto, sans-serif";
  const OPTIONS = {displaylogo: false, responsive: true, scrollZoom: false};

  // --- colours of charts ---------------------------------------------------------------------------------------------

  const PRINT = {ink: "#000000", line: "#bbbbbb", muted: "#444444", paper: "#ffffff"};
  const screenColours = () => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue("--" + name).trim();
    return {ink: of("ink"), line: of("line"), muted: of("muted"), paper: of("paper")};
  };

  const axesOf = (layout) => ["xaxis", "yaxis", ...Object.keys(layout).filter((key) => /^[xy]axis\d+$/.test(key))];

  function themed(layout, colours) {
    const found = structuredClone(layout);
    found.paper_bgcolor = "rgba(0,0,0,0)";
    found.plot_bgcolor = "rgba(0,0,0,0)";
    found.font = {family: FONT, size: 13, ...found.font, color: colours.ink};
    found.hoverlabel = {bgcolor: colours.paper, bordercolor: colours.ink, font: {color: colours.ink}, align: "left"};
    found.modebar = {bgcolor: "rgba(0,0,0,0)", color: colours.muted, activecolor: colours.ink};
    for (const axis of axesOf(found)) {
      const own = {gridcolor: colours.line, linecolor: colours.muted, zerolinecolor: colours.line};
      found[axis] = {automargin: true, ...found[axis], ...own, tickcolor: colours.muted};
    }
    return found;
  }

  // --- charts --------------------------------------------------------------------------------------------------------

  const drawn = []; // {element, layout} of each chart

  function draw(element, data, layout) {
    const known = drawn.find((each) => each.element === element);
    if (known) known.layout = layout;
    else drawn.push({element, layout});
    return Plotly.react(element, data, themed(layout, screenColours()), OPTIONS);
  }

  function recolour(colours, width) {
    for (const {element, layout} of drawn) {
      const height = Math.min(Number.parseInt(element.dataset.height, 10) || 420, PRINTED_HIGH_PX);
      const size = width ? {width, height, autosize: false} : {autosize: true};
      element.style.height = width ? `${height}px` : `${element.dataset.height}px`;
      Plotly.react(element, element.data, {...themed(layout, colours), ...size}, OPTIONS);
    }
  }

  DARK.addEventListener("change", () => recolour(screenColours()));
  window.addEventListener("beforeprint", () => {
    recolour(PRINT, PRINTED_PX);
    for (const {api} of tables) api.page.len(PRINTED_ROWS).draw();
  });
  window.addEventListener("afterprint", () => {
    recolour(screenColours());
    for (const {api, rows} of tables) api.page.len(lengthOf(rows)).draw();
  });

  // --- cells ---------------------------------------------------------------------------------------------------------

  const SI = [[1e-15, "f"], [1e-12, "p"], [1e-9, "n"], [1e-6, "µ"], [1e-3, "m"], [1, ""], [1e3, "k"], [1e6, "M"],
    [1e9, "G"], [1e12, "T"]];
  const BINARY = [[1, ""], [1024, "Ki"], [1024 ** 2, "Mi"], [1024 ** 3, "Gi"], [1024 ** 4, "Ti"]];
  const AREAS = [[1e-12, "µ"], [1e-6, "m"]]; // of square metres
  const escaped = (text) => String(text).replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`);

  // One formatter for all cells: toLocaleString makes a new one for each, ten times as slow.
  const FORMAT = new Intl.NumberFormat("en-US", {maximumFractionDigits: 9});

  // Four digits: 31.43, 1,272, 8.998e-6.
  function digits(value) {
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e15) return FORMAT.format(value);
    if (size >= 1e9 || size < 1e-3) return value.toPrecision(4).replace(/\.?0+(e|$)/, "$1").replace("e+", "e");
    return FORMAT.format(Number(value.toPrecision(4)));
  }

  function shown(value, unit) {
    if (value === null) return "";
    if (typeof value !== "number") return String(value);
    if (!unit) return digits(value);
    const prefixes = unit === "B" ? BINARY : unit === "m^2" ? AREAS : SI;
    // Areas from 0.001 mm² on are in mm².
    const size = Math.abs(Number(value.toPrecision(4))) * (unit === "m^2" ? 1000 : 1);
    if (!size) return "0";
    const [of, prefix] = prefixes.filter(([each]) => each <= size).pop() ?? prefixes[0];
    return `${digits(Number((value / of).toPrecision(4)))} ${prefix}${unit.replace("^2", "²")}`;
  }

  const order = (value) => (value === null ? -Infinity : typeof value === "number" ? value : Number(value));

  function renderer(column) {
    return (value, type) => {
      if (column.numeric && (type === "sort" || type === "type")) return order(value);
      const text = column.numeric ? shown(value, column.unit) : value ?? "";
      return type === "display" ? escaped(text) : String(text);
    };
  }

  // A filter of a column: ">3", "<= 2 ms", "1..5", or a part of the text.
  function predicate(text, column) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return null;
    if (column.numeric) {
      const bounds = /^(<=|>=|<|>|=)?(.+?)(?:\.\.(.+))?$/.exec(wanted.replace(/\s+/g, ""));
      const [one, other] = bounds ? [amount(bounds[2], column), amount(bounds[3] ?? "", column)] : [NaN, NaN];
      if (!Number.isNaN(one) && bounds[3] !== undefined && !Number.isNaN(other)) {
        return (value) => value !== null && order(value) >= one && order(value) <= other;
      }
      const compare = {
        "<": (value) => value < one, ">": (value) => value > one, "=": (value) => value === one,
        "<=": (value) => value <= one, ">=": (value) => value >= one,
      }[bounds?.[1]];
      if (compare && !Number.isNaN(one)) return (value) => value !== null && compare(order(value));
    }
    return (value) => (column.numeric ? shown(value, column.unit) : String(value ?? "")).toLowerCase().includes(wanted);
  }

  // A number with or without a unit: "2e-3", "2ms", "1272mm^2".
  function amount(text, column) {
    const found = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(.*)$/.exec(text.replaceAll(",", ""));
    if (!found) return NaN;
    const number = Number(found[1]);
    if (!found[2]) return number;
    const unit = column.unit.toLowerCase();
    const prefixes = unit === "b" ? BINARY : unit === "m^2" ? AREAS : SI;
    const given = found[2].replace("u", "µ");
    const known = prefixes.find(([, prefix]) => unit && prefix.toLowerCase() + unit === given.replace("²", "^2"));
    return known ? number * known[0] : NaN;
  }

  // --- tables --------------------------------------------------------------------------------------------------------

  const tables = []; // {name, api, rows} of each table
  const lengthOf = (rows) => (rows > 25 ? 15 : Math.max(rows, 1));

  function rowsOf(table) {
    if (table.cached) return table.cached;
    const columns = table.columns.map((each) => each.cells ?? each.at.map((index) => each.values[index]));
    table.cached = Array.from({length: table.rows}, (_, row) => columns.map((column) => column[row]));
    return table.cached;
  }

  function drawTable(element, table, name) {
    const rows = rowsOf(table);
    const line = document.createElement("tr");
    line.className = "filters";
    const inputs = table.columns.map((column) => {
      const cell = line.appendChild(document.createElement("td"));
      const input = cell.appendChild(document.createElement("input"));
      input.type = "search";
      input.placeholder = column.numeric ? ">, <, a..b" : "contains";
      input.setAttribute("aria-label", `Filter ${column.title}`);
      return input;
    });
    const api = new DataTable(element, {
      data: rows,
      columns: table.columns.map((column) => ({
        title: escaped(column.title), className: column.numeric ? "number" : "text",
        type: column.numeric ? "num" : "string-utf8", render: renderer(column),
        orderSequence: column.numeric ? ["desc", "asc", ""] : ["asc", "desc", ""],
        createdCell: (cell, value) => { if (typeof value === "number") cell.title = String(value); },
      })),
      autoWidth: false, deferRender: true, order: [], pageLength: lengthOf(rows.length),
      lengthMenu: [10, 15, 25, 50, 100], paging: rows.length > 25, info: rows.length > 25, searching: rows.length > 5,
      language: {search: "Filter all columns:", lengthMenu: "_MENU_ rows"},
    });
    if (rows.length > 5) {
      let predicates = null; // before the first filter, a search over 10,000 rows would only take time
      api.table().header().appendChild(line); // after DataTables has made its row of headings
      line.addEventListener("input", () => {
        if (!predicates) {
          api.search.fixed("columns", (_, row) => predicates.every((each, index) => !each || each(row[index])));
        }
        predicates = inputs.map((input, index) => predicate(input.value, table.columns[index]));
        api.draw();
      });
    }
    tables.push({name, api, rows: rows.length});
    const line2 = name && document.querySelector(`[data-rows="${CSS.escape(name)}"]`);
    if (line2 && rows.length > PRINTED_ROWS) {
      line2.textContent = `${PRINTED_ROWS} of ${rows.length.toLocaleString("en-US")} rows are printed.`;
    }
    return api;
  }

  // The values of a chart, one row per bar, point or cell of its traces.
  function valuesOf(chart) {
    const title = (axis, otherwise) => chart.layout[axis]?.title?.text || otherwise;
    const rows = [];
    for (const trace of chart.data) {
      const name = trace.name ?? "";
      if (Array.isArray(trace.z)) {
        trace.z.forEach((line, y) => line.forEach((z, x) => rows.push([name, trace.x?.[x] ?? x, trace.y?.[y] ?? y, z])));
        continue;
      }
      const length = Math.max(trace.x?.length ?? 0, trace.y?.length ?? 0);
      for (let index = 0; index < length; index += 1) {
        const x = trace.x?.[index] ?? null, y = trace.y?.[index] ?? null;
        if (x === null && y === null) continue;
        const text = Array.isArray(trace.text) ? trace.text[index] : null;
        rows.push([name, x, y, text ?? null]);
      }
    }
    const plain = (value) => (typeof value === "string" ? value.replace(/<[^>]*>/g, " ") : value);
    const cells = ["series", title("xaxis", "x"), title("yaxis", "y"), title("coloraxis", "value")].map(
      (heading, index) => ({title: plain(heading), unit: "", cells: rows.map((row) => plain(row[index]))}));
    for (const column of cells) column.numeric = column.cells.every((each) => each === null || typeof each === "number");
    return {rows: rows.length, columns: cells.filter((column) => column.cells.some((each) => each !== null && each !== ""))};
  }

  // --- points of a sweep ---------------------------------------------------------------------------------------------

  const SERIES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999"];

  function explore(figure, explorer, name) {
    const table = page.tables[explorer.table];
    const rows = rowsOf(table);
    const selects = [...figure.querySelectorAll("select")];
    const status = figure.querySelector("[role=status]");
    const axisOf = (position) => {
      const column = table.columns[explorer.columns[position]];
      const numbers = column.numeric ? rows.map((row) => row[explorer.columns[position]]) : [];
      const present = numbers.filter((each) => typeof each === "number");
      const wide = present.length && present.every((each) => each > 0)
        && present.reduce((a, b) => Math.max(a, b)) > 20 * present.reduce((a, b) => Math.min(a, b));
      const unit = column.unit === "m^2" ? " (m²)" : column.unit ? ` (${column.unit})` : "";
      return {
        title: {text: escaped(explorer.labels[position]) + unit}, type: column.numeric ? (wide ? "log" : "linear") : "category",
        tickformat: column.unit && column.unit !== "m^2" ? "~s" : undefined, exponentformat: "SI",
      };
    };
    const update = () => {
      const [x, y] = selects.map((select) => Number(select.value));
      const [i, j] = [explorer.columns[x], explorer.columns[y]];
      const complete = rows.map((row, index) => index).filter((index) => rows[index][i] !== null && rows[index][j] !== null);
      const groups = new Map();
      for (const index of complete) {
        const group = explorer.colourBy === null ? "points" : String(rows[index][explorer.colourBy]);
        if (!groups.has(group)) groups.set(group, []);
        groups.get(group).push(index);
      }
      const front = x === y ? undefined : explorer.fronts[x < y ? `${x}-${y}` : `${y}-${x}`];
      const trace = (label, indices, marker) => ({
        type: "scatter", mode: "markers", name: escaped(label), x: indices.map((index) => rows[index][i]),
        y: indices.map((index) => rows[index][j]), customdata: indices, marker,
        hovertemplate: "row %{customdata}<br>%{x}<br>%{y}<extra></extra>",
      });
      const traces = [...groups].slice(0, SERIES.length - 1).map(([label, indices], number) =>
        trace(label, indices, {color: SERIES[number], size: complete.length > 2000 ? 4 : 6, opacity: 0.65}));
      const others = [...groups].slice(SERIES.length - 1).flatMap(([, indices]) => indices);
      if (others.length) traces.push(trace("others", others, {color: SERIES.at(-1), size: 4, opacity: 0.65}));
      if (front) {
        const marker = {symbol: "diamond-open", size: 10, color: "#D55E00", line: {width: 2}};
        traces.push(trace("front", front, marker));
      }
      const missing = rows.length - complete.length;
      status.textContent = `${complete.length.toLocaleString("en-US")} points`
        + (missing ? `, ${missing.toLocaleString("en-US")} without these values` : "")
        + (front ? `, ${front.length.toLocaleString("en-US")} on the front of the two` : "; no front: one of the two has no better direction");
      draw(document.getElementById(name), traces, {
        xaxis: axisOf(x), yaxis: axisOf(y), hovermode: "closest", showlegend: true,
        legend: {orientation: "h", y: 1.02, yanchor: "bottom", x: 0}, margin: {t: 50, r: 20, l: 70, b: 60},
      });
    };
    for (const select of selects) select.addEventListener("change", update);
    update();
  }

  // --- the page ------------------------------------------------------------------------------------------------------

  for (const element of document.querySelectorAll("[data-chart]")) {
    const chart = page.charts[element.dataset.chart];
    draw(element, chart.data, chart.layout);
  }
  for (const figure of document.querySelectorAll("[data-explorer]")) {
    explore(figure, page.explorers[figure.dataset.explorer], figure.dataset.explorer);
  }
  for (const element of document.querySelectorAll("[data-table]")) {
    const make = () => drawTable(element, page.tables[element.dataset.table], element.dataset.table);
    const closed = element.closest("details:not([open])");
    if (closed) closed.addEventListener("toggle", make, {once: true});
    else make();
  }
  for (const details of document.querySelectorAll("[data-values]")) {
    details.addEventListener("toggle", () => {
      drawTable(details.querySelector("table"), valuesOf(page.charts[details.dataset.values]), "");
    }, {once: true});
  }
  window.pimsimReport = {page, tables, shown};
})();
