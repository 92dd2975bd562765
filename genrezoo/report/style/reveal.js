{
  const reveal = (hash) => {
    const target = document.getElementById(hash.slice(1));
    for (let place = target; place; place = place.parentElement) {
      if (place instanceof HTMLDetailsElement) place.open = true;
    }
    return target;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link) reveal(link.hash);
  });
  reveal(location.hash)?.scrollIntoView();
}
