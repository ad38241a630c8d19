package sim

import "time"

// drawStyle draws what kind of world it is. mu need not be held: nothing runs yet.
func (w *world) drawStyle() style {
	pick := func(list ...time.Duration) time.Duration { return list[w.pick(len(list))] }
	s := style{
		ttl:   pick(10*time.Second, 30*time.Second),
		hosts: 1, shared: w.chance(0.3) || w.cfg.Shared, pages: 2 + w.pick(7), resources: 1 + w.pick(2),
		delay: pick(time.Millisecond, 5*time.Millisecond, 50*time.Millisecond, 500*time.Millisecond),
		disk:  pick(100*time.Microsecond, time.Millisecond, 20*time.Millisecond, 200*time.Millisecond),
		every: pick(3*time.Second, 10*time.Second, 30*time.Second, 2*time.Minute),
		storm: pick(2*time.Minute, 5*time.Minute, 15*time.Minute), calm: 4 * time.Minute,
		hold: pick(2*time.Second, 10*time.Second, 40*time.Second), idle: pick(time.Second, 10*time.Second, time.Minute),
	}
	if s.shared {
		s.hosts = 2 + w.pick(2)
	}
	s.users = 1 + w.pick(s.pages)
	if w.chance(0.3) {
		s.reorder = 0.1
	}
	if w.chance(0.3) {
		s.double = 0.1
	}
	if w.chance(0.5) {
		s.rude = 0.2
	}
	if w.chance(0.4) {
		s.hidden = 0.2
	}
	n := 1 + w.pick(6)
	for _, i := range w.rng.Perm(len(faults))[:n] {
		s.faults = append(s.faults, faults[i])
	}
	return s
}

// rage is a time with faults, at most to end.
func (w *world) rage(end time.Time) {
	until := time.Now().Add(w.style.storm)
	if until.After(end) {
		until = end
	}
	for time.Now().Before(until) && len(w.judge.broken()) == 0 {
		w.mu.Lock()
		next := w.about(w.style.every)
		f := w.style.faults[w.pick(len(w.style.faults))]
		w.mu.Unlock()
		next = min(next, time.Until(until))
		w.tick(next)
		w.say("weather", "%s", f.name)
		f.f(w)
	}
}

// tick lets time pass, and counts for how much of it a node was ready.
func (w *world) tick(d time.Duration) {
	for d > 0 {
		step := min(d, time.Second)
		w.mu.Lock()
		up := false
		for _, p := range w.born { // one that is told to end still serves whom it has
			up = up || !p.over && p.m != nil && p.stopped == nil && !p.cut && !w.disk.away
		}
		w.mu.Unlock()
		if !w.wait(step) {
			return
		}
		w.mu.Lock()
		if up {
			if w.judge.down <= 5*time.Second { // what is shorter than two renewals no node notices; it is known to the second only
				w.judge.uptime += w.judge.down
			}
			w.judge.uptime += step
			w.judge.down = 0
		} else {
			w.judge.down += step
		}
		calm := w.calm
		w.mu.Unlock()
		if calm {
			w.judge.look(step)
		}
		d -= step
	}
}

// settle ends all faults, starts what is down, and sees that everybody gets a turn.
func (w *world) settle() {
	w.mu.Lock()
	w.disk.away, w.disk.slow, w.disk.unknown, w.disk.flaky = false, 0, 0, 0
	for _, p := range w.pages {
		p.mend()
	}
	var down []*host
	for _, h := range w.hosts {
		if h.now != nil {
			h.now.cut, h.now.skew = false, 0
		} else {
			down = append(down, h)
		}
	}
	w.mu.Unlock()
	for _, h := range down {
		h.start()
	}
	w.say("weather", "calm")
	w.tick(2 * time.Minute) // the stopped go on, the sleepers wake
	for range 180 {
		w.mu.Lock()
		ready := w.reachable() != nil
		w.mu.Unlock()
		if ready {
			break
		}
		w.tick(time.Second)
	}
	// After an outage of all of it the bound of L1 is another.
	w.tick(max(45*time.Second, w.style.ttl+11*time.Second) + 15*time.Second)
	w.mu.Lock()
	w.calm = true
	w.judge.calm()
	w.mu.Unlock()
	w.tick(w.style.calm)
	w.mu.Lock()
	w.calm = false
	w.mu.Unlock()
}

func (w *world) host() *host {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hosts[w.pick(len(w.hosts))]
}

// page draws one: half of the time one that edits, if there is any, since that is where most is at stake.
func (w *world) page() *page {
	list := w.pages
	if w.chance(0.5) {
		var edit []*page
		for _, p := range w.pages {
			if p.fence != 0 {
				edit = append(edit, p)
			}
		}
		if len(edit) > 0 {
			list = edit
		}
	}
	return list[w.pick(len(list))]
}

// in does f after about a time, if the world goes on.
func (w *world) in(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		w.mu.Lock()
		done := w.done
		w.mu.Unlock()
		if !done {
			f()
		}
	})
}

func (h *host) restart(after time.Duration) {
	h.w.in(after, func() {
		h.w.mu.Lock()
		none := h.now == nil
		h.w.mu.Unlock()
		if none {
			h.start()
		}
	})
}

func (w *world) draw(mean time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.about(mean)
}
