package demo

import "fmt"

// beside reports whether the fault befell the page of somebody who did not hold: nobody did, or whoever did has no page here,
// as in the seconds after a tab was closed.
func (f fault) beside() bool {
	return f.kind != faultKill && f.kind != faultStale && f.who != f.holder
}

// befell says whom the fault befell, and why not the holder.
func (f fault) befell() string {
	if f.holder == "" {
		return fmt.Sprintf("Nobody held the article, so it befell %s’s page.", f.who)
	}
	return fmt.Sprintf("%s, who held the article, has no page here any more, so it befell %s’s.", f.holder, f.who)
}

// idle says why nothing could happen; empty if it could.
func (f fault) idle() string {
	switch {
	case f.kind == faultKill || f.kind == faultStale:
	case f.who == "":
		return "No page is open on this side, so nothing happened here. Open one with +, or start over."
	case f.kind == faultMalformed && f.cutOff:
		return fmt.Sprintf("%s’s network is cut, so no message gets through. Mend it first.", f.who)
	}
	return ""
}

// tellOther is editlock's story where nothing could happen, or not to the holder.
func tellOther(f fault, s scene) (t telling, other bool) {
	if why := f.idle(); why != "" {
		return telling{"quiet", why}, true
	}
	if !f.beside() {
		return telling{}, false
	}
	tone, text := "good", ""
	waits := s.phaseOf(f.who) == phaseWaiting
	in := s.Holder == f.who && s.phaseOf(f.who) == phaseEditing
	switch f.kind {
	case faultReload:
		switch {
		case in:
			text = "It came back with its session, and its turn came."
		case waits:
			text = "It said goodbye and came back within the 5 s that a reload may take: the same session, the same place in the line."
		case s.phaseOf(f.who) == phaseReading:
			text = "It came back, and only looks on."
		default:
			tone, text = "busy", "It said goodbye, and has 5 s to come back."
		}
	case faultClose:
		switch {
		case s.phaseOf(f.who) != "":
			text = "Another tab of the same person goes on: closing one never takes the other’s place."
		case s.Holder == "" || s.Lapsed && len(s.Waiting) == 0:
			text = "Its place in the line ended after the 5 s that a reload may take. The article is free."
		default:
			tone, text = "busy", "It said goodbye; its place in the line ends after the 5 s that a reload may take."
		}
	case faultDuplicate:
		text = "The copy is a session of its own, and asks for the article itself; closing either never takes the other’s place."
	case faultMalformed:
		text = "The server answered with an error and closed that one connection. No lock and no place in the line changed; the page comes back by itself."
	case faultCut:
		switch {
		case f.restored:
			text = "The network is back, and so is the page, with its session if that was not over."
		case in:
			tone, text = "busy", "The page has the lock and counts from the last answer it sent: it will stop believing before its lease ends."
		default:
			tone, text = "busy", "Nothing of it arrives any more. Should its turn come, it cannot say that it is there, and the next one is let in."
		}
	}
	return telling{tone, f.befell() + " " + text}, true
}
