// Every text that a person sees. `{name}`, `{time}`, `{ago}`, `{place}` and `{count}` are filled in; a name is
// always inserted as text.

export interface Messages {
  readonly region: string;
  readonly connecting: string;
  readonly unreachable: string;
  readonly unreachableDetail: string;
  readonly login: string;
  readonly loginDetail: string;
  readonly noToken: string;
  readonly badToken: string;
  readonly nameless: string;
  readonly namelessDetail: string;
  readonly editing: string;
  readonly since: string;
  readonly justNow: string;
  readonly next: string;
  readonly place: string;
  readonly reading: string;
  readonly oneMoment: string;
  readonly yours: string;
  readonly yoursDetail: string;
  readonly free: string;
  readonly freeDetail: string;
  readonly refreshing: string;
  readonly refreshingDetail: string;
  readonly turn: string;
  readonly turnDetail: string;
  readonly turnText: string;
  readonly othersOne: string;
  readonly others: string;
  readonly unsure: string;
  readonly unsureDetail: string;
  readonly unsureOver: string;
  readonly checking: string;
  readonly saveLater: string;
  readonly refused: string;
  readonly refresh: string;
  readonly refreshDetail: string;
  readonly forbidden: string;
  readonly failed: string;
  readonly mistake: string;
  readonly mistakeDetail: string;
  readonly lostExpired: string;
  readonly lostUnknown: string;
  readonly lostMoved: string;
  readonly lostTaken: string;
  readonly lostForced: string;
  readonly lostIdle: string;
  readonly lostRevoked: string;
  readonly nowEditing: string;
  readonly textHere: string;
  readonly draft: string;
  readonly draftDetail: string;
  readonly draftSeveral: string;
  readonly draftHomeless: string;
  readonly copied: string;
  readonly titleTurn: string;
  readonly doStop: string;
  readonly doWait: string;
  readonly doEdit: string;
  readonly doMove: string;
  readonly doCopy: string;
  readonly doRestore: string;
  readonly doDismiss: string;
  readonly doRetry: string;
}

const en: Messages = {
  region: "Editing",
  connecting: "Connecting…",
  unreachable: "The lock server cannot be reached",
  unreachableDetail: "Trying again by itself. You can read meanwhile.",
  login: "You are not logged in any more",
  loginDetail: "Log in again in another tab, then go on here.",
  noToken: "The page could not get an access token",
  badToken: "The lock server does not accept this page’s access token",
  nameless: "The resource is missing",
  namelessDetail: "This form stays closed: the page does not say what it edits.",
  editing: "{name} is editing this",
  since: "since {time}, {ago}",
  justNow: "just now",
  next: "You are next in line",
  place: "You are {place} in line",
  reading: "You are just reading",
  oneMoment: "One moment",
  yours: "You are editing this in another tab",
  yoursDetail: "Go on there, or move the editing here.",
  free: "Nobody is editing this",
  freeDetail: "You are just reading.",
  refreshing: "It is your turn",
  refreshingDetail: "Loading the latest version…",
  turn: "You can edit now",
  turnDetail: "This is the latest version.",
  turnText: "Your unsaved text is back in the form.",
  othersOne: "You are editing. One other person is waiting.",
  others: "You are editing. {count} others are waiting.",
  unsure: "The connection is gone for the moment",
  unsureDetail: "Go on typing. Saving waits until it is back.",
  unsureOver: "It has been for so long that somebody else may have been let in meanwhile. Your text is kept; saving waits until that is known.",
  checking: "Checking that it is still yours…",
  saveLater: "Will be saved as soon as the connection is back.",
  refused: "Not saved: you are not editing this now.",
  refresh: "The latest version could not be loaded",
  refreshDetail: "So that you do not write over newer text, you were not let in.",
  forbidden: "You may read this, but not edit it",
  failed: "Editing is not possible now",
  mistake: "This cannot be edited",
  mistakeDetail: "There is a mistake in this page. Its console says more.",
  lostExpired: "You were away, and your turn is over",
  lostUnknown: "Your turn is over",
  lostMoved: "The editing has moved to another tab of yours",
  lostTaken: "The editing was taken over",
  lostForced: "An administrator ended your turn",
  lostIdle: "You paused for a long time, and your turn is over",
  lostRevoked: "You may not edit this any more",
  nowEditing: "{name} is editing now.",
  textHere: "Your text is still here.",
  draft: "What you typed before is kept",
  draftDetail: "It is not in the form now.",
  draftSeveral: "There are several texts of one field. Each press puts in the next one; none is lost.",
  draftHomeless: "Its field is not in this form any more. You can copy it.",
  copied: "Copied",
  titleTurn: "Your turn",
  doStop: "Stop waiting, just read",
  doWait: "Wait for my turn",
  doEdit: "Edit",
  doMove: "Move it here",
  doCopy: "Copy my text",
  doRestore: "Put it back",
  doDismiss: "Dismiss",
  doRetry: "Try again",
};

const de: Messages = {
  region: "Bearbeitung",
  connecting: "Verbindung wird aufgebaut …",
  unreachable: "Der Sperr-Server ist nicht erreichbar",
  unreachableDetail: "Es wird von selbst weiter versucht. Lesen geht solange.",
  login: "Sie sind nicht mehr angemeldet",
  noToken: "Die Seite hat kein Zugangs-Token bekommen",
  badToken: "Der Sperr-Server nimmt das Zugangs-Token dieser Seite nicht an",
  nameless: "Die Angabe resource fehlt",
  namelessDetail: "Dieses Formular bleibt geschlossen: Die Seite sagt nicht, was es bearbeitet.",
  loginDetail: "Melden Sie sich in einem anderen Tab wieder an, und machen Sie dann hier weiter.",
  editing: "{name} bearbeitet dies gerade",
  since: "seit {time}, {ago}",
  justNow: "gerade eben",
  next: "Sie sind als Nächstes dran",
  place: "Sie sind auf Platz {place} der Warteliste",
  reading: "Sie lesen nur",
  oneMoment: "Einen Moment",
  yours: "Sie bearbeiten dies in einem anderen Tab",
  yoursDetail: "Machen Sie dort weiter, oder holen Sie die Bearbeitung hierher.",
  free: "Niemand bearbeitet dies",
  freeDetail: "Sie lesen nur.",
  refreshing: "Sie sind dran",
  refreshingDetail: "Die neueste Fassung wird geladen …",
  turn: "Sie können jetzt bearbeiten",
  turnDetail: "Dies ist die neueste Fassung.",
  turnText: "Ihr ungespeicherter Text steht wieder im Formular.",
  othersOne: "Sie bearbeiten dies. Eine weitere Person wartet.",
  others: "Sie bearbeiten dies. {count} weitere Personen warten.",
  unsure: "Die Verbindung ist gerade unterbrochen",
  unsureOver: "Das dauert schon so lange, dass inzwischen jemand anderes dran sein kann. Ihr Text bleibt erhalten; gespeichert wird erst, wenn das geklärt ist.",
  unsureDetail: "Schreiben Sie weiter. Gespeichert wird, sobald sie wieder da ist.",
  checking: "Es wird geprüft, ob Sie noch dran sind …",
  saveLater: "Wird gespeichert, sobald die Verbindung wieder da ist.",
  refused: "Nicht gespeichert: Sie bearbeiten dies gerade nicht.",
  refresh: "Die neueste Fassung ließ sich nicht laden",
  refreshDetail: "Damit Sie nichts Neueres überschreiben, wurde die Bearbeitung nicht begonnen.",
  forbidden: "Sie dürfen dies lesen, aber nicht bearbeiten",
  failed: "Bearbeiten geht im Moment nicht",
  mistake: "Dies lässt sich nicht bearbeiten",
  mistakeDetail: "Diese Seite enthält einen Fehler. Ihre Konsole sagt mehr.",
  lostExpired: "Sie waren weg, und Ihre Zeit ist abgelaufen",
  lostUnknown: "Ihre Zeit ist abgelaufen",
  lostMoved: "Die Bearbeitung ist in einem anderen Ihrer Tabs",
  lostTaken: "Die Bearbeitung wurde übernommen",
  lostForced: "Die Bearbeitung wurde von der Verwaltung beendet",
  lostIdle: "Sie haben lange pausiert, und Ihre Zeit ist abgelaufen",
  lostRevoked: "Sie dürfen dies nicht mehr bearbeiten",
  nowEditing: "Jetzt bearbeitet es {name}.",
  textHere: "Ihr Text ist noch da.",
  draft: "Ihr früherer Text ist aufgehoben",
  draftDetail: "Er steht gerade nicht im Formular.",
  draftSeveral: "Es gibt mehrere Texte eines Feldes. Jedes Mal wird der nächste eingesetzt; keiner geht verloren.",
  draftHomeless: "Sein Feld gibt es in diesem Formular nicht mehr. Sie können ihn kopieren.",
  copied: "Kopiert",
  titleTurn: "Sie sind dran",
  doStop: "Nicht warten, nur lesen",
  doWait: "Anstellen",
  doEdit: "Bearbeiten",
  doMove: "Hierher holen",
  doCopy: "Meinen Text kopieren",
  doRestore: "Wieder einsetzen",
  doDismiss: "Verwerfen",
  doRetry: "Nochmals versuchen",
};

const languages = new Map<string, Messages>([["en", en], ["de", de]]);

/** Adds or changes the texts of a language; what is left out stays, or is English. */
export function translate(language: string, messages: Partial<Messages>): void {
  const key = language.toLowerCase();
  languages.set(key, { ...(languages.get(key) ?? en), ...messages });
}

/** The texts for a language tag: `de-AT`, then `de`, then English. */
export function messagesFor(language: string): Messages {
  const key = language.toLowerCase();
  return languages.get(key) ?? languages.get(key.split("-")[0] ?? "") ?? en;
}

/** The language that an element is written in. */
export function languageOf(element: Element): string {
  const holder = element.closest("[lang]") ?? document.documentElement;
  return holder.getAttribute("lang") || navigator.language || "en";
}

/** A place in line in words: `2nd` in English, `2` elsewhere. */
export function placeText(position: number, language: string): string {
  if (!language.toLowerCase().startsWith("en")) return new Intl.NumberFormat(language).format(position);
  const suffix = { one: "st", two: "nd", few: "rd" } as const;
  const rule = new Intl.PluralRules("en", { type: "ordinal" }).select(position);
  return position + (rule in suffix ? suffix[rule as keyof typeof suffix] : "th");
}

/** `3 minutes ago`, in the language. */
export function agoText(seconds: number, language: string, justNow: string): string {
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (seconds < 60) return justNow;
  if (seconds < 3600) return format.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86400) return format.format(-Math.floor(seconds / 3600), "hour");
  return format.format(-Math.floor(seconds / 86400), "day");
}

/** `14:05`, with the date when it is not today. */
export function timeText(at: number, now: number, language: string): string {
  const [then, today] = [new Date(at), new Date(now)];
  const sameDay = then.toDateString() === today.toDateString();
  return new Intl.DateTimeFormat(language, sameDay ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" })
    .format(then);
}

/** A text with its gaps: plain strings, and the names of values. */
export function gaps(template: string): { text: string; value: string | null }[] {
  return template.split(/(\{[a-z]+\})/).filter(Boolean).map((part) => {
    const match = /^\{([a-z]+)\}$/.exec(part);
    return match ? { text: "", value: match[1] ?? "" } : { text: part, value: null };
  });
}
