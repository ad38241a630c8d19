package history

import (
	"fmt"
	"slices"
	"strings"
)

// until returns by when something is to have happened that takes so long from a moment on, and whether the server was left
// alone all the time. Short troubles only add to it. A death, or a trouble longer than a node may be silent, gives everybody
// 45 s afresh after its end, and 5 s more to be replaced.
func (j *judge) until(from, takes int64) (by int64, calm bool) {
	calm = true
	for by = from + takes; ; {
		more := int64(0)
		for _, f := range j.faults {
			end := j.healed(f)
			if f.Text != "server" || f.Name == "second server" || f.T >= by || end <= from {
				continue
			}
			calm = false
			if f.short(end) {
				more += end - max(f.T, from) + 3*second
			} else {
				from, takes = end, 50*second
			}
		}
		later := from + takes + more
		if later <= by {
			return by + j.stalled(from, by), calm
		}
		by = later
	}
}

// short reports whether the server bore a trouble, and went on in the same life.
func (l Line) short(end int64) bool {
	switch l.Name {
	case "stop", "stop for long", "disk full", "disk full in a commit", "disk hangs":
		return end-l.T < 6*second
	}
	return false
}

// healed is when the server was well again after a fault.
func (j *judge) healed(f Line) int64 {
	end := f.Until
	for _, v := range j.lives {
		if v.spawn >= f.T && v.spawn < f.Until+2*second && v.ready != never {
			end = max(end, v.ready)
		}
	}
	return end
}

// alone reports whether the server was left alone between two moments.
func (j *judge) alone(from, to int64) bool {
	return !slices.ContainsFunc(j.faults, func(f Line) bool {
		return f.Text == "server" && f.Name != "second server" && f.T < to && j.healed(f) > from
	})
}

// linked reports whether the network of a client was left alone between two moments, and its process.
func (j *judge) linked(client string, from, to int64) bool {
	group, _, _ := strings.Cut(client, ".")
	group, _, _ = strings.Cut(group, "-")
	cable := "cable " + strings.TrimPrefix(group, "g")
	return !slices.ContainsFunc(j.faults, func(f Line) bool {
		return (f.Text == cable || f.Text == group) && f.T < to && f.Until > from-3*second
	})
}

// quiet returns the last moment at which anything of a session can have reached the server before at: -1 if that
// is not known.
func (j *judge) quiet(of session, at int64) int64 {
	last := int64(0)
	for _, c := range j.conns {
		if c.session == of && c.from < at {
			last = max(last, c.lastUp)
		}
	}
	if last >= at {
		return -1
	}
	return last
}

// silences: who fell silent is replaced in time.
func (j *judge) silences(res *resource) {
	for i, c := range res.changes {
		if c.Granted == nil {
			continue
		}
		g := c.Granted
		end := int64(never)
		if i+1 < len(res.changes) {
			end = res.changes[i+1].at
		}
		last := j.quiet(g.Session, end)
		if last < 0 || last == 0 {
			continue
		}
		by, calm := j.until(max(last, c.at), j.ttl+5*second)
		if by >= j.end {
			continue
		}
		what := "silent holders given up in time"
		if !calm {
			what = "silent holders given up in time after an outage"
		}
		j.count(what, 1)
		if end > by && j.wanted(res, i, by) {
			j.accuse("L1 a silent holder is replaced", res, by, "%d of %s was last heard at %.3f s and held until %.3f s, %.3f s too long",
				g.Fence, g.Session, float64(last)/1e9, float64(end)/1e9, float64(end-by)/1e9)
		}
		for _, s := range res.seen {
			if !s.push && s.call > by && s.Rev >= c.Rev && (i+1 == len(res.changes) || s.Rev < res.changes[i+1].Rev) && s.State == "held" {
				j.accuse("L1 a silent holder is replaced", res, s.at, "%d was last heard at %.3f s, and %s was told: %s", g.Fence, float64(last)/1e9, s.client, s.Snap)
			}
		}
	}
}

// wanted reports whether somebody waited for the i-th holding to end at a moment: the one who had the next.
func (j *judge) wanted(res *resource, i int, at int64) bool {
	if i+1 == len(res.changes) || res.changes[i+1].Granted == nil {
		return false
	}
	next := res.changes[i+1]
	asked := res.asked(next.Granted.Session, "acquire", func(o *Op) bool { return o.T < next.at+slack }) // it may have asked just before
	if len(asked) == 0 {
		return false
	}
	last := asked[len(asked)-1]
	return last.ok() && last.Return < at
}

// handOvers: the next in line who is there has it at once, and one who is not there costs 10 s at most.
func (j *judge) handOvers(res *resource) {
	for _, s := range res.seen {
		if s.State == "free" && s.Mine == "waiting" && j.left(s.session, s.at) < 0 && !j.back(s.session, s.call-second, s.at+second) {
			j.accuse("L2 the next in line has it at once", res, s.at, "%s waits for what is free: %s", s.client, s.Snap)
		}
	}
	first := map[int64]int64{} // when the holder was told
	for _, s := range res.seen {
		if _, told := first[s.Fence]; s.Fence != 0 && !told {
			first[s.Fence] = s.at
		}
	}
	granted := map[int64]int64{}
	for i, c := range res.changes {
		if g := c.Granted; g != nil {
			granted[g.Fence] = c.at
		}
		if c.Ended == nil || c.Granted == nil {
			continue
		}
		at, told := first[c.Granted.Fence]
		client := j.clientOf(c.Granted.Session)
		if c.Ended.Reason == "released" && j.alone(c.at-3*second, c.at+3*second) && j.linked(client, c.at-3*second, c.at+3*second) && j.there(c.Granted.Session, c.at) &&
			(told || i+1 == len(res.changes) || res.changes[i+1].at > c.at+3*second) { // else it was given back, unseen
			j.count("hand-overs at once", 1)
			if late := at - c.at - j.stalled(c.at, at); !told || late > 3*second {
				j.accuse("L2 the next in line has it at once", res, c.at, "%s was told after %.3f s (told: %v): %s", client, float64(late)/1e9, told, c)
			}
		}
		if c.Ended.Reason == "unconfirmed" && i > 0 {
			from := granted[c.Ended.Fence]
			by := from + 12*second + j.stalled(from, c.at)
			if j.alone(from-15*second, by) && j.wanted(res, i-1, from+10*second) {
				j.count("absent waiters passed over in time", 1)
				if c.at > by {
					j.accuse("L2 the next in line has it at once", res, c.at, "a grant was not confirmed for %.3f s: %s", float64(c.at-from)/1e9, c)
				}
			}
		}
	}
}

func (j *judge) clientOf(of session) string {
	if ops := j.bySession[of]; len(ops) > 0 {
		return ops[0].Client
	}
	return ""
}

// there reports whether a session had a connection around a moment, from well before it to well after.
func (j *judge) there(of session, at int64) bool {
	for _, c := range j.conns {
		if c.session == of && c.welcomed < at-3*second && c.lastUp != never && c.lastUp > at+second {
			return true
		}
	}
	return false
}

// queues: first come, first served, among those who are there; and no place is lost.
func (j *judge) queues(res *resource) {
	type place struct {
		op         *Op
		until, rev int64 // last seen to wait, at the revision
	}
	var places []place
	for _, o := range res.ops {
		if o.Name == "acquire" && o.ok() && o.Answer.Snap.Mine == "waiting" {
			p := place{op: o, until: o.Return, rev: o.Answer.Snap.Rev}
			for _, k := range res.told[o.of] {
				if s := &res.seen[k]; s.at > o.Return && s.Rev >= p.rev {
					if s.Mine != "waiting" || j.unsettled(res, o.of, o.T, s.at) || j.gone(res, o.of, o.Return, s.at) {
						break
					}
					p.until, p.rev = s.at, s.Rev
				}
			}
			places = append(places, p)
		}
	}
	for _, p := range places {
		j.count("places in a queue", 1)
		for _, c := range res.changes {
			g := c.Granted
			if g == nil || c.Rev <= p.op.Answer.Snap.Rev || c.Rev > p.rev || c.Ended != nil && c.Ended.Reason == "handed_over" {
				continue
			}
			first := res.asked(g.Session, "acquire", func(o *Op) bool { return o.T <= p.op.Return })
			if g.Session != p.op.of && len(first) == 0 {
				j.accuse("L3 no waiter loses its place", res, c.at, "%s waited from %.3f s until %.3f s, and %s, who asked after it, had it first: %s",
					p.op.Client, float64(p.op.Return)/1e9, float64(p.until)/1e9, j.clientOf(g.Session), c)
			}
		}
	}
}

// unsettled reports whether a session's place may have moved between two moments: it was granted or left, or asked to leave.
func (j *judge) unsettled(res *resource, of session, from, to int64) bool {
	for _, c := range res.changes {
		if c.at > from && c.at < to && (c.Granted != nil && c.Granted.Session == of || c.Ended != nil && c.Ended.Session == of) {
			return true
		}
	}
	return slices.ContainsFunc(j.bySession[of], func(o *Op) bool {
		return (o.Name == "bye" || o.Name == "cancel" && o.Resource == res.name) && j.over(o) >= from && o.T <= to
	})
}

// gone reports whether a session came back between two moments, and was not in the queue any more.
func (j *judge) gone(res *resource, of session, from, to int64) bool {
	return slices.ContainsFunc(j.bySession[of], func(o *Op) bool {
		return o.Name == "hello" && o.ok() && o.Return > from && o.Return <= to &&
			!slices.ContainsFunc(o.Answer.Snaps, func(n Snap) bool { return n.Resource == res.name && n.Mine == "waiting" })
	})
}

// connections: an older connection of a session does nothing any more, and a resume takes one round trip.
func (j *judge) connections() {
	for _, o := range j.ops {
		if o.Name == "hello" || o.Name == "reuse" || !o.ok() {
			continue
		}
		for _, c := range j.at[o.Client] {
			if c.session == o.of && c.welcomed < o.T && c.from > o.asks.welcomed {
				j.accuse("S6 what is late changes nothing", nil, o.T, "%s asked %s of %s on connection %x, after %x had been welcomed, and was answered: ok", o.Client, o.Name, o.Resource, o.Conn, c.number)
			}
		}
	}
}

// resumes: who comes back in time has all that it had, at the first try.
func (j *judge) resumes() {
	for _, o := range j.ops {
		switch {
		case o.Name == "reuse" && o.ok() && o.Answer.Resumed:
			j.accuse("B11 a copied resume token", nil, o.T, "%s came back with a resume token that had been used", o.Client)
			continue
		case o.Name != "hello" || o.Text != "resume":
			continue
		case o.Answer != nil && (o.Answer.Code == "resume_reused" || o.Answer.Code == "resume_refused"):
			j.accuse("L3 a restart costs nobody anything", nil, o.T, "%s was refused its own session %s: %s", o.Client, o.of, o.Answer.Code)
			continue
		}
		if to := o.T + 2*second + j.stalled(o.T, o.T+2*second); j.alone(o.T-15*second, to) && j.stalled(o.T-15*second, to) < second && j.linked(o.Client, o.T-3*second, to) && o.T < j.calm {
			j.count("resumes at the first try", 1)
			if !o.ok() || o.Return > to {
				code := "lost"
				if o.Answer != nil {
					code = o.Answer.Code
				}
				j.accuse("L4 one round trip", nil, o.T, "%s said hello, and had %s after %.3f s", o.Client, code, float64(o.Return-o.T)/1e9)
			}
		}
		if o.ok() {
			j.kept(o)
		}
	}
}

// kept judges one resume: places in queues that the session had are there. Holds are judged by their ends.
func (j *judge) kept(o *Op) {
	had := map[string]*seen{}
	for _, res := range j.resources {
		for _, k := range res.told[o.of] {
			if s := &res.seen[k]; s.at < o.T && (had[res.name] == nil || s.Rev >= had[res.name].Rev) {
				had[res.name] = s
			}
		}
	}
	for name, s := range had {
		res := j.resources[name]
		if s.Mine != "waiting" || j.unsettled(res, o.of, s.call, o.Return) || j.gone(res, o.of, s.at, o.T) {
			continue
		}
		j.count("places kept through a break", 1)
		if o.Answer.Resumed && slices.ContainsFunc(o.Answer.Snaps, func(n Snap) bool { return n.Resource == name && n.Mine != "" }) {
			continue
		}
		if why := j.tooSoon(o.of, j.lastAck(o.of, o.T), o.Return); why != "" {
			j.accuse("L3 no waiter loses its place", res, o.Return, "%s waited, came back, and is not in the queue: %s (resumed: %v)", o.Client, why, o.Answer.Resumed)
		}
	}
}

// servers: no server ends by itself, and in the end nothing is stuck.
func (j *judge) servers() {
	for _, v := range j.lives {
		switch {
		case v.exit == never || v.killed:
		case v.ready == never: // a start that finds the store too slow is given up, and done again
			j.count("starts given up", 1)
		default:
			j.accuse("the server goes on", nil, v.exit, "it ended by itself")
		}
	}
	for _, l := range j.stuck {
		j.accuse("nothing is stuck", &resource{name: l.Resource}, l.T, "%s %s", l.Client, l.Text)
	}
}

// content: no save by an older holder after a newer one's load, and none that had not seen the one before.
func (j *judge) content(res *resource) {
	var fence, version int64
	for _, l := range res.app {
		what := fmt.Sprint(l.Name, "s ", l.Code)
		if l.Rogue {
			what += ", of pages that did not look"
		}
		j.count("application: "+what, 1)
		if l.Code != "ok" {
			continue
		}
		if l.Fence < fence {
			j.accuse("S3 only the newest fence writes", res, l.T, "a %s with %d after %d", l.Name, l.Fence, fence)
		}
		fence = max(fence, l.Fence)
		if l.Name == "save" {
			if l.Base != version || l.New != version+1 {
				j.accuse("nothing is lost", res, l.T, "%s saved %d, made from %d, over %d", l.Client, l.New, l.Base, version)
			}
			version = l.New
		}
	}
}
