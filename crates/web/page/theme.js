"use strict";
// Runs before the first paint, so that a page that is to be dark is never light.
{
  const theme = localStorage.getItem("mynah-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}
