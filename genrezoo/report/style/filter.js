for (const bar of document.querySelectorAll(".filter")) {
  const rows = Array.from(bar.closest("section").querySelectorAll("table.sortable > tbody > tr"));
  const text = bar.querySelector("input[type=search]");
  const families = Array.from(bar.querySelectorAll("input[type=checkbox]"));
  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/);
    const off = families.filter((box) => !box.checked).map((box) => box.value);
    const [all, shown] = [new Set(), new Set()];
    for (const row of rows) {
      const name = row.cells[0].textContent.trim();
      const found = words.every((word) => name.toLowerCase().includes(word));
      row.hidden = !found || off.some((family) => row.classList.contains(family));
      all.add(name);
      if (!row.hidden) shown.add(name);
    }
    bar.querySelector("output").textContent = `${shown.size} of ${all.size} models`;
  };
  bar.addEventListener("input", apply);
  bar.hidden = false;
  apply(); // a browser may have kept what was typed before the page was loaded again
}
