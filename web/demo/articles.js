// The list: a badge for each article that somebody edits.
import {editlock} from "/editlock/index.js";

const me = document.body.dataset.person;
editlock.configure({auth: `/editlock/token?as=${encodeURIComponent(me)}`});

function badge({state, holder, waiting}) {
  if (state !== "held" || !holder) return [];
  const avatar = document.createElement("span"), waits = document.createElement("span");
  avatar.className = "avatar";
  avatar.dataset.person = holder.name;
  avatar.textContent = holder.name[0];
  avatar.ariaHidden = "true";
  waits.className = "waits";
  waits.textContent = waiting ? `${waiting} ${waiting === 1 ? "waits" : "wait"}` : "";
  return [avatar, `${holder.name} is editing`, ...waiting ? [waits] : []];
}

editlock.watch("article/", entries => {
  for (const row of document.querySelectorAll("[data-resource]")) {
    const entry = entries.get(row.dataset.resource);
    row.querySelector(".badge").replaceChildren(...entry ? badge(entry) : []);
  }
});
