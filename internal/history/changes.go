package history

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// oneEntryEach: the server's history is a chain. Each grant has a higher fence than all before it and ends exactly once,
// before or as the next begins.
func (j *judge) oneEntryEach(res *resource) {
	var now *Side
	highest := int64(0)
	for _, c := range res.changes {
		j.count("history entries in their chain", 1)
		if e := c.Ended; e != nil {
			if now == nil || now.Fence != e.Fence || now.Session != e.Session || now.User != e.User {
				j.accuse("S8 one entry each", res, c.at, "an end without its beginning: %s", c)
			}
			now = nil
		}
		if g := c.Granted; g != nil {
			if now != nil {
				j.accuse("S8 one entry each", res, c.at, "granted while %d has not ended: %s", now.Fence, c)
			}
			if g.Fence <= highest || g.Fence != c.Rev {
				j.accuse("S2 fences rise", res, c.at, "fence %d after %d, in revision %d", g.Fence, highest, c.Rev)
			}
			now, highest = g, max(highest, g.Fence)
		}
	}
}

// holderAt is who holds by the server's history at a revision, nil if nobody does.
func (res *resource) holderAt(rev int64) *Side {
	i, found := slices.BinarySearchFunc(res.changes, rev, func(c change, rev int64) int { return int(min(1, max(-1, c.Rev-rev))) })
	if !found {
		i--
	}
	if i < 0 {
		return nil
	}
	return res.changes[i].Granted
}

// agreed: whatever a client was told, by an answer or a push, is what the server's history says of that revision. So no
// grant that a client saw is lost, and none is there twice.
func (j *judge) agreed(res *resource) {
	for _, s := range res.seen {
		j.count("snapshots compared with the history", 1)
		h := res.holderAt(s.Rev)
		mine := s.Mine == "granted" || s.Mine == "held" || s.Mine == "lapsed"
		switch {
		case (h == nil) != (s.State == "free"), h != nil && h.User != s.Holder, mine && (h == nil || h.Session != s.session || h.Fence != s.Fence),
			!mine && h != nil && h.Session == s.session && s.session != "":
			j.accuse("S8 history and clients agree", res, s.at, "%s (%s) was told: %s; the history says %+v", s.client, s.session, s.Snap, h)
		}
	}
}

// monotone: an answer is not older than what anybody had been told before it was asked for, on one revision all are
// told the same version of the content, and that does not go back.
func (j *judge) monotone(res *resource) {
	var byAsking []*seen
	version := map[int64]string{}
	revs := []int64{}
	for i := range res.seen {
		s := &res.seen[i]
		if !s.push {
			byAsking = append(byAsking, s)
		}
		if v, known := version[s.Rev]; known && v != s.Version {
			j.accuse("S1 linearizable", res, s.at, "revision %d has version %q and %q", s.Rev, v, s.Version)
		} else if !known {
			version[s.Rev] = s.Version
			revs = append(revs, s.Rev)
		}
	}
	slices.SortFunc(byAsking, func(a, b *seen) int { return int(min(1, max(-1, a.call-b.call))) })
	newest, next := int64(0), 0
	for _, s := range byAsking {
		for next < len(res.seen) && res.seen[next].at < s.call {
			newest = max(newest, res.seen[next].Rev)
			next++
		}
		j.count("answers not older than what was known", 1)
		if s.Rev < newest {
			j.accuse("S1 linearizable", res, s.at, "%s asked %s and was told revision %d; %d had been told before", s.client, s.op.Name, s.Rev, newest)
		}
	}
	slices.Sort(revs)
	highest := 0
	for _, rev := range revs {
		n, _ := strconv.Atoi(version[rev])
		if n < highest {
			j.accuse("S7 what was acknowledged stays", res, j.end, "the version was %d, and %q in revision %d", highest, version[rev], rev)
		}
		highest = max(highest, n)
	}
}

// asked returns the operations of a session on a resource with this name, by the moment of asking.
func (res *resource) asked(of session, name string, ok func(*Op) bool) []*Op {
	var ops []*Op
	for _, o := range res.ops {
		if o.of == of && o.Name == name && ok(o) {
			ops = append(ops, o)
		}
	}
	return ops
}

// over is when an operation cannot take effect any more: it was answered, or its session has a newer connection.
func (j *judge) over(o *Op) int64 {
	if o.Return != never {
		return o.Return
	}
	first := int64(never)
	for _, c := range j.at[o.Client] {
		if c.session == o.of && c.from > o.asks.from && c.welcomed > o.T {
			first = min(first, c.welcomed)
		}
	}
	return first
}

// causeOf returns the earliest moment at which the i-th change of a resource could be.
func (j *judge) causeOf(res *resource, i int) int64 {
	c, at := res.changes[i], int64(0)
	if g := c.Granted; g != nil {
		nth := 0 // each grant to a session needs a request of its own
		for _, before := range res.changes[:i] {
			if before.Granted != nil && before.Granted.Session == g.Session {
				nth++
			}
		}
		asked := res.asked(g.Session, "acquire", func(*Op) bool { return true })
		if nth >= len(asked) {
			j.accuse("S1 linearizable", res, c.at, "a grant that nobody asked for: %s", c)
		} else {
			at = asked[nth].T
		}
	}
	if e := c.Ended; e != nil {
		at = max(at, j.endOf(res, c))
	}
	return at
}

// endOf returns the earliest moment at which the holding could end for the reason that the history gives, and judges whether
// that could be at all.
func (j *judge) endOf(res *resource, c change) int64 {
	e := c.Ended
	first := int64(never)
	take := func(ops []*Op) {
		for _, o := range ops {
			if j.over(o)+slack >= c.at { // else it is late, and changes nothing
				first = min(first, o.T)
			}
		}
	}
	switch e.Reason {
	case "released":
		take(res.asked(e.Session, "release", func(o *Op) bool { return o.Fence == e.Fence }))
		take(res.asked(e.Session, "cancel", func(*Op) bool { return true }))
	case "handed_over":
		if g := c.Granted; g != nil && g.User == e.User {
			take(res.asked(g.Session, "acquire", func(o *Op) bool { return o.Move }))
		}
	case "left":
		if bye := j.left(e.Session, c.at); bye >= 0 {
			first = bye + 5*second - slack
		}
	case "expired":
		first = j.lastAck(e.Session, c.at) + j.ttl - slack
		if bye := j.left(e.Session, c.at); bye >= 0 {
			first = min(first, bye+5*second-slack)
		}
	case "unconfirmed":
		first = 0 // see ends
	}
	if first == never || first > c.at+slack {
		j.accuse("S4 an acknowledged heartbeat is kept", res, c.at, "%s, and nothing allows that (before %.3f s)", c, float64(first)/1e9)
		return 0
	}
	return first
}

// lastAck is when the last sign of life was sent that a session knew to be acknowledged at a moment; 0: none.
func (j *judge) lastAck(of session, at int64) int64 {
	last := int64(0)
	for _, h := range j.heard[of] {
		if h.T < at {
			last = max(last, h.Sent)
		}
	}
	return last
}

// left returns when the page of a session had said bye, if it had not come back since; else -1.
func (j *judge) left(of session, at int64) int64 {
	bye := int64(-1)
	for _, o := range j.bySession[of] {
		switch {
		case o.Name == "bye" && o.T < at && o.asks.session == of:
			if bye < 0 || j.back(of, bye, at) {
				bye = o.T
			}
		}
	}
	if bye >= 0 && j.back(of, bye, at) {
		return -1
	}
	return bye
}

// back reports whether a session was resumed between two moments.
func (j *judge) back(of session, from, to int64) bool {
	return slices.ContainsFunc(j.bySession[of], func(o *Op) bool {
		return o.Name == "hello" && o.ok() && o.Answer.Session == of && o.T > from && o.Return < to
	})
}

// ends: what a client was promised about a holding is kept until it ends.
func (j *judge) ends(res *resource) {
	granted := map[int64]change{}
	for _, c := range res.changes {
		if c.Granted != nil {
			granted[c.Granted.Fence] = c
		}
		e := c.Ended
		if e == nil {
			continue
		}
		j.count("ends with their reason", 1)
		confirmed := slices.ContainsFunc(res.told[e.Session], func(k int) bool { s := &res.seen[k]; return s.Mine == "held" && s.Fence == e.Fence })
		switch e.Reason {
		case "unconfirmed":
			early := c.at < granted[e.Fence].at+10*second-slack && c.at < j.lastAck(e.Session, c.at)+j.ttl-slack && j.left(e.Session, c.at) < 0
			if early {
				j.accuse("S4 an acknowledged heartbeat is kept", res, c.at, "unconfirmed after %.3f s: %s", float64(c.at-granted[e.Fence].at)/1e9, c)
			}
			if confirmed {
				j.accuse("S7 what was acknowledged stays", res, c.at, "it was confirmed: %s", c)
			}
		case "expired":
			j.downtime(res, c)
		}
	}
}

// downtime: time in which the server did not run counts against nobody.
func (j *judge) downtime(res *resource, c change) {
	e := c.Ended
	heard, over := j.lastAck(e.Session, c.at), j.mono(e.Over)
	if !slices.ContainsFunc(j.lives, func(v *life) bool { return v.spawn <= heard && c.at < v.exit }) {
		over += 3 * second // another life ends it, which puts the end 3 s back: no pause is to follow
	}
	if why := j.tooSoon(e.Session, heard, min(over, c.at)); why != "" {
		j.accuse("S9 our downtime never counts", res, c.at, "%s: %s", c, why)
	}
	for _, h := range j.heard[e.Session] { // a lock token is good until the lock could pass on by expiry
		for _, l := range h.Locks {
			if l.Resource != res.name || l.Fence != e.Fence {
				continue
			}
			j.count("lock tokens that outlived nobody", 1)
			if l.Exp*1e6 > c.At+int64(slack/1000) && j.left(e.Session, c.at) < 0 {
				j.accuse("S3 lock tokens", res, c.at, "a token of %d is good until %d, and it expired at %d", l.Fence, l.Exp*1e6, c.At)
			}
		}
	}
}

// tooSoon says why a session that was heard last at a moment cannot be over at another, or nothing.
func (j *judge) tooSoon(of session, heard, at int64) string {
	if j.left(of, at) >= 0 {
		return ""
	}
	first := heard + j.ttl
	i := slices.IndexFunc(j.lives, func(v *life) bool { return v.spawn <= heard && heard < v.exit })
	if i >= 0 && !j.perhapsHeard(of, heard, at) {
		j.count("ends by silence that no outage of ours shortened", 1)
		first = j.overAt(j.lives[i], heard)
	}
	if at >= first-slack {
		return ""
	}
	return fmt.Sprintf("heard at %.3f s, and its time was not over before %.3f s", float64(heard)/1e9, float64(first)/1e9)
}

// overAt is when a session that was heard last at a moment is over at the earliest. Nothing counts in which the server could
// not act for long; after a gap of more than 10 s, and in the next life, everybody has 45 s.
func (j *judge) overAt(v *life, heard int64) int64 {
	first := heard + j.ttl
	troubles := slices.Clone(v.stops)
	for _, f := range j.faults {
		if f.Name == "disk hangs" {
			troubles = append(troubles, span{f.T, f.Until})
		}
	}
	slices.SortFunc(troubles, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for _, s := range troubles {
		switch d := s.to - s.from; {
		case s.from < heard || s.from >= first || s.to > v.exit || d < 5*second:
		case d > 21*second/2:
			first = max(first, s.to+45*second-2*second)
		default:
			first += d
		}
	}
	if first <= v.exit {
		return first
	}
	for first = v.exit; j.uptime(v.exit, first) < 45*second && first < j.end; first += second / 10 {
	}
	return first
}

// perhapsHeard reports whether a server heard of a session, in a later life or after a stop than that of which its client
// knows: nobody then knows from when on it was silent.
func (j *judge) perhapsHeard(of session, heard, at int64) bool {
	for _, c := range j.conns {
		if c.session == of && c.from < at && c.lastUp > heard+second && c.from > heard-second {
			return true
		}
	}
	return false
}

// beliefs: nobody believes any more when the lock goes to another by expiry.
func (j *judge) beliefs(res *resource) {
	ended := map[int64]change{}
	for _, c := range res.changes {
		if c.Ended != nil {
			ended[c.Ended.Fence] = c
		}
	}
	for _, h := range res.holds {
		c, over := ended[h.fence]
		j.count("beliefs", 1)
		if !over || c.Ended.Reason == "handed_over" {
			continue
		}
		for _, p := range h.pieces {
			if p.to > c.at+slack && p.to > p.from {
				j.accuse("S5 a client stops to believe first", res, c.at, "%s believed in %d until %.3f s, and: %s", h.client, h.fence, float64(p.to)/1e9, c)
			}
		}
		if c.Ended.Reason == "expired" {
			j.count("beliefs that ended before the lock was lost", 1)
		}
	}
}
