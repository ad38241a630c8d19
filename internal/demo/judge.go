package demo

import (
	"slices"
	"time"
)

// The two designs that are compared.
const (
	usualSide    = "usual"
	editlockSide = "editlock"
)

// article is the one that the two panes of each side edit.
const article = 42

// The phases in which a page can believe itself to be.
const (
	phaseConnecting = "connecting"
	phaseWaiting    = "waiting"
	phaseRefreshing = "refreshing"
	phaseEditing    = "editing"
	phaseUnsure     = "unsure"
	phaseReading    = "reading"
	phaseLost       = "lost"
)

// A tab is what one open page says of itself.
type tab struct {
	Window string `json:"window"` // the demo page that it is shown in
	ID     string `json:"tab"`
	Side   string `json:"side"`
	Person string `json:"person"`
	Phase  string `json:"phase"`
	Place  int    `json:"position"` // in the line, as the page was told; 0 if it is not in it
	cut    bool   // its network
}

// here reports whether the page is one that holds and is there, or is about to say so.
func (t tab) here() bool {
	return slices.Contains([]string{phaseConnecting, phaseRefreshing, phaseEditing, phaseUnsure}, t.Phase)
}

// isThere reports whether somebody has such a page.
func isThere(person string, tabs []tab) bool {
	return slices.ContainsFunc(tabs, func(t tab) bool { return t.Person == person && t.here() })
}

// facts are what the database of one side says.
type facts struct {
	Holder      string       `json:"holder,omitempty"`
	Fence       int64        `json:"fence,omitempty"`
	Lapsed      bool         `json:"lapsed,omitempty"` // the holder's time is over, and nobody has asked
	Waiting     []string     `json:"waiting"`
	Version     int64        `json:"version"`
	Overwritten int          `json:"overwritten"` // saves that replaced a version which their author had not loaded
	Changes     []change     `json:"changes,omitempty"`
	Refused     *refusedSave `json:"refused,omitempty"` // the last one
}

// change is an entry of editlock's history.
type change struct {
	At      time.Time `json:"at"`
	Ended   int64     `json:"ended,omitempty"` // fence
	Reason  string    `json:"reason,omitempty"`
	Was     string    `json:"was,omitempty"`
	Granted int64     `json:"granted,omitempty"` // fence
	Now     string    `json:"now,omitempty"`
}

// refusedSave is a save that the application turned away.
type refusedSave struct {
	At    time.Time `json:"at"`
	Name  string    `json:"name"`
	Code  string    `json:"code"`
	Fence int64     `json:"fence"`
	Seen  int64     `json:"seen"` // the fence in the row
}

// counts are what went wrong.
type counts struct {
	Stuck       int `json:"stuck"`
	Double      int `json:"double"`
	Overwritten int `json:"overwritten"`
}

// How long a state has to last before it counts.
const (
	stuckAfter  = 20 * time.Second       // held by nobody, or free while a page waits: longer than either side needs by its own numbers
	doubleAfter = 500 * time.Millisecond // two pages say that they edit: longer than news take to reach the referee
)

// A judge counts what goes wrong on one side. It measures: what the database says against what the pages believe.
type judge struct {
	grace time.Duration // after a restart of the server nothing counts as stuck for so long: what the design promises

	emptySince  time.Time // nobody is there, since
	doubleSince time.Time
	stuck       bool // counted already
	double      bool
	counts      counts
}

// look is called with every observation. started is when the server was started again; zero if it never was.
func (j *judge) look(now time.Time, f facts, tabs []tab, started time.Time) {
	free := f.Holder == "" || f.Lapsed
	waits := len(f.Waiting) > 0 || slices.ContainsFunc(tabs, func(t tab) bool { return t.Phase == phaseWaiting && !t.cut })
	empty := free && waits || !free && !isThere(f.Holder, tabs)
	if !empty {
		j.emptySince, j.stuck = time.Time{}, false
	} else if j.emptySince.IsZero() {
		j.emptySince = now
	}
	if empty && !j.stuck && now.Sub(j.emptySince) >= stuckAfter && now.Sub(started) >= j.grace {
		j.stuck = true
		j.counts.Stuck++
	}
	editing := 0
	for _, t := range tabs {
		if t.Phase == phaseEditing {
			editing++
		}
	}
	if editing < 2 {
		j.doubleSince, j.double = time.Time{}, false
	} else if j.doubleSince.IsZero() {
		j.doubleSince = now
	}
	if editing >= 2 && !j.double && now.Sub(j.doubleSince) >= doubleAfter {
		j.double = true
		j.counts.Double++
	}
	j.counts.Overwritten = f.Overwritten
}

// emptyFor is how long nobody has been there; 0 if somebody is.
func (j *judge) emptyFor(now time.Time) time.Duration {
	if j.emptySince.IsZero() {
		return 0
	}
	return now.Sub(j.emptySince)
}
