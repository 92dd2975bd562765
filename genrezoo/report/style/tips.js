{
  const NEAR = 24; // pixels from the middle of a mark, so that a finger finds it
  const box = document.createElement("div");
  box.className = "tip";
  box.hidden = true;
  document.body.append(box);
  const hide = () => { box.hidden = true; };
  const show = (mark) => {
    const { left, right, top, bottom } = mark.getBoundingClientRect();
    box.textContent = mark.getAttribute("aria-label");
    box.hidden = false;
    const middle = (left + right - box.offsetWidth) / 2;
    const most = document.documentElement.clientWidth - box.offsetWidth - 4;
    const above = top - box.offsetHeight - 8;
    box.style.left = `${Math.max(4, Math.min(middle, most)) + scrollX}px`;
    box.style.top = `${(above > 0 ? above : bottom + 8) + scrollY}px`;
  };
  for (const svg of document.querySelectorAll("figure svg")) {
    const marks = Array.from(svg.querySelectorAll("g > title"), (title) => {
      const mark = title.parentElement;
      mark.setAttribute("role", "img");
      mark.setAttribute("aria-label", title.textContent);
      mark.setAttribute("tabindex", "0");
      mark.addEventListener("focus", () => show(mark));
      mark.addEventListener("blur", hide);
      title.remove(); // or the browser would show it a second time
      return mark;
    });
    if (!marks.length) continue;
    svg.setAttribute("role", "group"); // parts of an image cannot be reached
    const find = (event) => {
      let [nearest, least] = [null, NEAR];
      for (const mark of marks) {
        const { left, right, top, bottom } = mark.getBoundingClientRect();
        const far = Math.hypot((left + right) / 2 - event.clientX, (top + bottom) / 2 - event.clientY);
        if (far < least) [nearest, least] = [mark, far];
      }
      if (nearest) show(nearest);
      else hide();
    };
    svg.addEventListener("pointermove", find);
    svg.addEventListener("pointerdown", find);
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("pointerdown", (event) => { if (!event.target.closest("figure svg")) hide(); });
}
