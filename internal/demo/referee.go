package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"
)

const lookEvery = 150 * time.Millisecond

// The referee compares, several times a second, what the databases say with what the pages believe, and tells the
// windows that show the demo.
type referee struct {
	o       Options
	s       *supervisor
	ready   chan struct{} // closed when both sides answered once
	pokes   chan struct{}
	sources map[string]*source

	mu      sync.Mutex
	tabs    map[string]tab // by id
	faults  map[string]fault
	judges  map[string]*judge
	facts   map[string]facts
	windows map[chan []byte]string // by mailbox
	player  string                 // the window that plays; empty: none
	last    []byte
}

func newReferee(o Options, s *supervisor) *referee {
	r := &referee{
		o: o, s: s, ready: make(chan struct{}), pokes: make(chan struct{}, 1),
		tabs: map[string]tab{}, faults: map[string]fault{}, facts: map[string]facts{},
		windows: map[chan []byte]string{},
		sources: map[string]*source{usualSide: newUsualSource(o.Dir), editlockSide: newEditlockSource(o.Dir, s)},
	}
	r.forget()
	return r
}

// poke asks for a look now.
func (r *referee) poke() {
	select {
	case r.pokes <- struct{}{}:
	default:
	}
}

func (r *referee) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	defer func() {
		for _, s := range r.sources {
			s.close()
		}
	}()
	ready := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.pokes:
		}
		seen := 0
		for side, source := range r.sources {
			if r.s.servers[side].life().starts == 0 {
				continue // it is making its file, in which nobody may be at that moment
			}
			f, err := source.look(ctx)
			if err != nil {
				continue // down, or not yet made: what was known stays
			}
			seen++
			r.mu.Lock()
			r.facts[side] = f
			r.mu.Unlock()
		}
		if seen == len(r.sources) && !ready {
			ready = true
			close(r.ready)
		}
		r.publish(time.Now())
	}
}

// publish judges what is known, and tells every window what changed.
func (r *referee) publish(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.publishLocked(now)
}

// publishLocked reports whether something changed. mu is held.
func (r *referee) publishLocked(now time.Time) bool {
	state := map[string]any{"ttl": r.o.TTL.Seconds(), "player": r.player}
	for _, side := range []string{usualSide, editlockSide} {
		state[side] = r.side(now, side)
	}
	data, err := json.Marshal(state)
	if err != nil || string(data) == string(r.last) {
		return false
	}
	r.last = data
	for w := range r.windows {
		send(w, data)
	}
	return true
}

// send puts the newest state into a window's mailbox, in place of an older one that was not fetched.
func send(w chan []byte, data []byte) {
	select {
	case <-w:
	default:
	}
	w <- data
}

// sideState is what the windows are told of one side.
type sideState struct {
	facts
	Up       bool           `json:"up"`
	Ports    map[string]int `json:"ports"`
	Cut      []string       `json:"cut"`
	EmptyFor int            `json:"empty_for"` // seconds that nobody has been there
	Doubled  bool           `json:"doubled"`
	Stuck    bool           `json:"stuck"`
	Counts   counts         `json:"counts"`
	Story    telling        `json:"story"`
	Tabs     []tab          `json:"tabs"`
}

func (r *referee) side(now time.Time, side string) sideState {
	p, f, j := r.s.servers[side], r.facts[side], r.judges[side]
	tabs := r.tabsOf(side)
	if side == editlockSide {
		f.Waiting = named(f.Waiting, tabs)
	} else if f.Waiting == nil { // nothing was read yet
		f.Waiting = []string{}
	}
	l := p.life()
	var restarted time.Time
	if l.starts > 1 {
		restarted = l.started
	}
	if l.up { // while it is down nobody can be told anything: that time does not count
		j.look(now, f, tabs, restarted)
	}
	out := sideState{
		facts: f, Up: l.up, Ports: map[string]int{}, Cut: []string{}, Tabs: tabs,
		EmptyFor: int(j.emptyFor(now).Seconds()), Doubled: j.double, Stuck: j.stuck, Counts: j.counts,
	}
	for person, link := range r.s.links[side] {
		out.Ports[person] = link.port()
		if link.down() {
			out.Cut = append(out.Cut, person)
		}
	}
	slices.Sort(out.Cut)
	out.Story = r.story(now, side, out, l)
	return out
}

func (r *referee) story(now time.Time, side string, st sideState, l life) telling {
	fault, happened := r.faults[side]
	if !happened {
		return telling{Tone: "quiet"}
	}
	fault.restored = !slices.Contains(st.Cut, fault.who)
	s := scene{
		facts: st.facts, tabs: st.Tabs, up: st.Up, starts: l.starts, down: l.down,
		empty: r.judges[side].emptyFor(now), double: st.Doubled, ttl: r.o.TTL, ping: usualPing, pong: usualPong,
	}
	if side == usualSide {
		return tellUsual(fault, s)
	}
	return tellEditlock(fault, s)
}

// tabsOf are the pages of the window that plays.
func (r *referee) tabsOf(side string) []tab {
	tabs := []tab{}
	for _, id := range slices.Sorted(maps.Keys(r.tabs)) {
		if t := r.tabs[id]; t.Side == side && t.Window == r.player {
			t.cut = r.s.links[side][t.Person].down()
			tabs = append(tabs, t)
		}
	}
	return tabs
}

// named puts names to those who wait, in their order: editlock tells how many there are, the pages say who, and at which place.
func named(waiting []string, tabs []tab) []string {
	names := []string{}
	inLine := slices.SortedStableFunc(slices.Values(tabs), func(a, b tab) int { return cmp.Compare(a.Place, b.Place) })
	for _, t := range inLine {
		if t.Phase == phaseWaiting && len(names) < len(waiting) {
			names = append(names, t.Person)
		}
	}
	for len(names) < len(waiting) {
		names = append(names, "somebody")
	}
	return names
}

// happened notes what a visitor did, and by side to whose page.
func (r *referee) happened(kind string, who map[string]string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for side, j := range r.judges {
		f := r.facts[side]
		l := r.s.links[side][who[side]]
		r.faults[side] = fault{
			kind: kind, at: now, who: who[side], cutOff: l != nil && l.down(), holder: f.Holder, fence: f.Fence, version: f.Version,
			absent: f.Holder != "" && !isThere(f.Holder, r.tabsOf(side)), counts: j.counts, starts: r.s.servers[side].life().starts,
		}
	}
}

// believes notes what a tab says of itself; an empty phase says that it is gone. A window that does not play opens none.
func (r *referee) believes(t tab) {
	r.mu.Lock()
	if t.Phase == "" {
		delete(r.tabs, t.ID)
	} else if _, known := r.tabs[t.ID]; known || t.Window == r.player && len(r.tabs) < 1000 {
		r.tabs[t.ID] = t
	}
	r.mu.Unlock()
	r.poke()
}

// forget begins the count anew.
func (r *referee) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	amnesty := 45*time.Second + 10*time.Second // what editlock gives pages after an outage of its own, and some for the way
	r.judges = map[string]*judge{usualSide: {}, editlockSide: {grace: amnesty}}
	r.faults = map[string]fault{}
}
