package sim

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// lock looks at a new record of a resource.
func (j *judge) lock(name string, op store.Op, before store.Record, rev int64, change *lease.Change) {
	now := time.Now()
	d := j.doc(name)
	prev, next := lease.State{}, lease.State{}
	var err error
	switch before.Rev {
	case 0:
	case d.rev:
		prev = d.state // as it was read when it was written
	default:
		if prev, err = lease.Decode(before.Data, before.Rev, lease.State{}, now); err != nil {
			j.violate("S1", "%s had a bad record: %v", name, err)
			return
		}
	}
	if !op.Delete {
		if next, err = lease.Decode(op.Data, rev, lease.State{}, now); err != nil {
			j.violate("S1", "%s has a bad record: %v", name, err)
			return
		}
	}
	d.state, d.rev = next, rev
	old, cur := holdOf(prev), holdOf(next)
	v := view{waiting: len(next.Queue)}
	if cur != nil {
		v.session, v.user, v.fence, v.lapsed = cur.Session, cur.User, cur.Fence, cur.Lapsed
	}
	d.versions[rev] = v

	ended := old != nil && (cur == nil || cur.Fence != old.Fence)
	granted := cur != nil && (old == nil || cur.Fence != old.Fence)
	switch {
	case (ended || granted) && change == nil:
		j.violate("S8", "%s changed hands at revision %d without a history entry", name, rev)
		return
	case change != nil && ((change.Ended != nil) != ended || (change.Granted != nil) != granted):
		j.violate("S8", "the history of %s at revision %d says another change than its record", name, rev)
	case ended && change.Ended != nil && change.Ended.Fence != old.Fence:
		j.violate("S8", "the history of %s at revision %d ends fence %d, not %d", name, rev, change.Ended.Fence, old.Fence)
	}
	if old != nil && cur != nil && old.Fence == cur.Fence && cur.Lapsed && !old.Lapsed {
		j.w.count.Lapses++
		j.silent(name, cur, "lapsed")
	}
	if ended {
		j.end(name, d, old, change.Ended.Reason)
	}
	if granted {
		j.grant(name, d, prev, cur, rev, ended)
	}
	j.queue(name, prev, next)
}

func holdOf(s lease.State) *lease.Hold {
	if len(s.Holds) == 0 {
		return nil
	}
	return &s.Holds[0]
}

// end looks at why a holding has ended: each reason needs somebody who gave cause for it.
func (j *judge) end(name string, d *doc, h *lease.Hold, why lease.Reason) {
	k := j.known(h.Session)
	now := time.Now()
	j.w.sayLocked(name, "fence %d of %s ends: %s", h.Fence, h.User, why)
	switch why {
	case lease.Released:
		d.decide(h.Fence)
		epoch, said := k.released[fmt.Sprint(name, " ", h.Fence)]
		switch {
		case !said && (h.Confirmed || !j.gaveUp(h.Session, name)):
			j.violate("S4", "%s lost %s as released, and did not release it", h.User, name)
		case said && epoch < k.met && h.Confirmed:
			j.violate("S6", "%s lost %s as released by what it said in epoch %d; it has come back with epoch %d since", h.User, name, epoch, k.met)
		}
	case lease.Left:
		j.w.count.Left++
		if k.bye.IsZero() || now.Sub(k.bye) < 5*time.Second && k.sure.After(now) {
			j.violate("S4", "%s lost %s as left, and did not leave it, or not for so long", h.User, name)
		}
	case lease.Unconfirmed:
		j.w.count.Unconfirmed++
		if h.Confirmed {
			j.violate("S4", "%s lost %s as unconfirmed, and had confirmed it", h.User, name)
		}
	case lease.HandedOver:
		j.w.count.Moved++
		d.decide(h.Fence)
		if j.moving[h.User+" "+name].IsZero() {
			j.violate("S4", "%s lost %s to a move that it had not asked for", h.User, name)
		}
	case lease.Expired:
		j.w.count.Expired++
		j.silent(name, h, "expired")
	case lease.Forced:
		j.w.count.Forced++
		d.decide(h.Fence)
	default:
		j.violate("S4", "%s lost %s for no reason that can be: %q", h.User, name, why)
	}
}

// silent checks that the holder was acknowledged nothing for that time or later, and that the service was there for it to come back.  Of that it looks only once a second.
func (j *judge) silent(name string, h *lease.Hold, how string) {
	k := j.known(h.Session)
	now := time.Now()
	if k.sure.After(now) && (k.bye.IsZero() || now.Sub(k.bye) < 5*time.Second) {
		j.violate("S4", "%s of %s %s %v before what it was acknowledged", name, h.User, how, k.sure.Sub(now))
	}
	if up := max(j.uptime-k.up, j.covered-k.covered); up < j.w.style.ttl-4*time.Second && k.bye.IsZero() {
		j.violate("S9", "%s of %s %s after %v of service without it", name, h.User, how, up)
	}
}

// grant looks at a new holding.
func (j *judge) grant(name string, d *doc, prev lease.State, h *lease.Hold, rev int64, ended bool) {
	j.w.count.Grants++
	j.w.sayLocked(name, "is granted to %s with fence %d", h.User, h.Fence)
	if h.Fence != rev || h.Fence <= d.fence {
		j.violate("S2", "%s was granted with fence %d at revision %d, after fence %d", name, h.Fence, rev, d.fence)
	}
	d.fence, d.waitFrom = max(d.fence, h.Fence), time.Time{}
	for _, p := range j.w.pages {
		if p.want == name && p.session != h.Session && p.believes() && p.fence < h.Fence && !d.decided(p.fence) {
			j.violate("S5", "%s was granted to %s while %s believes in fence %d", name, h.User, p.user.ID, p.fence)
		}
	}
	if n, w := prev.Place(h.Session, ""); n > 0 {
		j.w.count.Waited++
		if s := j.served[h.Session+" "+name]; bool(w.Absent) && s.now == 0 && s.last.Before(time.Now().Add(-20*time.Second)) {
			j.violate("L2", "%s was granted to %s, who was absent and has not asked again", name, h.User)
		}
		for _, v := range prev.Queue[:n-1] {
			if !bool(v.Absent) && j.present(v.Session, name) && !j.gaveUp(v.Session, name) && j.moving[h.User+" "+name].IsZero() {
				j.violate("L2", "%s was granted to %s past %s, who was there", name, h.User, j.known(v.Session).client)
			}
		}
	}
}

// present reports whether a session is surely there: its page runs, has a connection, and was acknowledged lately.
func (j *judge) present(session, resource string) bool {
	for _, p := range j.w.pages {
		if p.session == session && p.want == resource && j.listens(p) {
			return true
		}
	}
	return false
}

// listens reports whether a page is surely there.
func (j *judge) listens(p *page) bool {
	k := j.known(p.session)
	return p.welcomed && !p.asleep && !p.left && !p.cutUp && !p.cutDown && k.bye.IsZero() && time.Now().Before(k.sure.Add(-j.w.style.ttl/2))
}

// queue looks at who is in the line before and after.
func (j *judge) queue(name string, prev, next lease.State) {
	place := 0
	for _, w := range prev.Queue {
		n, _ := next.Place(w.Session, w.Part)
		switch {
		case n == 0 && next.HoldOf(w.Session, w.Part) != nil:
		case n == 0:
			k := j.known(w.Session)
			gaveUp := j.gaveUp(w.Session, name) || !k.bye.IsZero()
			if !gaveUp && k.sure.After(time.Now()) {
				j.violate("L3", "%s lost its place for %s: %+v, then %+v", k.client, name, prev, next)
			}
		case j.gaveUp(w.Session, name): // and has asked again: both may be in one write
		case n < place:
			j.violate("L3", "the line for %s was turned round", name)
		default:
			place = n
		}
	}
}

// session looks at a new record of a session.
func (j *judge) session(id string, op store.Op, rev int64) {
	if op.Delete {
		j.known(id).nonce = "" // it has nothing; whoever has the token may begin where it ended
		return
	}
	var r struct {
		Epoch int64  `json:"epoch"`
		Nonce string `json:"nonce"`
	}
	if err := json.Unmarshal(op.Data, &r); err != nil {
		j.violate("S6", "session %s: %v", id, err)
		return
	}
	k := j.known(id)
	if r.Epoch < k.epoch || r.Epoch == k.epoch && k.nonce != "" && r.Nonce != k.nonce {
		j.violate("S6", "session %s went from epoch %d to %d, or was taken over within one", id, k.epoch, r.Epoch)
	}
	k.epoch, k.nonce = r.Epoch, r.Nonce
}
