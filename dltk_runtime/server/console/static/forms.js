// Puts a button beside texts that are there to be copied, again after each swap. Without JavaScript they can be selected.
(function () {
  "use strict";
  function copy(area, button) {
    function old() { document.execCommand("copy"); }
    area.select();
    if (navigator.clipboard) { navigator.clipboard.writeText(area.value).catch(old); } else { old(); }
    button.textContent = "Copied";
  }
  function add(area) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "outline";
    button.textContent = area.dataset.copy;
    button.addEventListener("click", function () { copy(area, button); });
    area.parentElement.after(button);
  }
  function addAll() {
    document.querySelectorAll("textarea[data-copy]:not([data-ready])").forEach(function (area) {
      area.dataset.ready = "yes";
      add(area);
    });
  }
  addAll();
  new MutationObserver(addAll).observe(document.querySelector("main"), { childList: true, subtree: true });
})();
