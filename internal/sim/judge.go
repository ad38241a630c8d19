package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// judge knows everything, and holds it against the promises. It is guarded by w.mu; committed, and what pages call, want that held.
type judge struct {
	w          *world
	violations []string
	doors      int
	sessions   map[string]*known
	docs       map[string]*doc
	moving     map[string]time.Time // user and resource: when a page of the user asked to move it
	uptime     time.Duration        // during which a node was ready
	covered    time.Duration        // likewise, as nodes see it: between two renewals that are close enough
	renewed    time.Time            // when a node did last
	down       time.Duration        // since when none is
	asked      map[string]time.Time // session and resource: when it last asked
	served     map[string]served    // session and resource
	behind     map[string]time.Time // page and resource: since when it does not know what has become of it
}

// known is what the judge knows of a session.
type known struct {
	client   string    // its user
	sure     time.Time // up to when it was acknowledged: the sending of what was, and the TTL
	heard    time.Time // when a node last heard or acknowledged something
	up       time.Duration
	covered  time.Duration
	byes     map[int64]time.Time // epochs whose page said bye, and when
	bye      time.Time
	released map[string]int64     // resource and fence; the epoch of the connection on which it was said last
	met      int64                // the newest epoch that was welcomed
	at       *process             // which welcomed it
	moved    time.Time            // when it was welcomed by another than before
	cancels  map[string]time.Time // resource
	resuming time.Time
	epoch    int64
	nonce    string
}

// doc is what the judge knows of a resource.
type doc struct {
	fence    int64 // the highest granted
	versions map[int64]view
	state    lease.State
	rev      int64
	waitFrom time.Time // since when somebody waits who could have it; see liveness.go
}

// view is what a snapshot of a revision has to say.
type view struct {
	session string
	user    string
	fence   int64
	lapsed  bool
	waiting int
}

// served is what nodes do about somebody's asking for a resource.
type served struct {
	now  int       // such requests are being done
	last time.Time // when one was, at the latest
}

// serves notes that a node begins with a request to acquire, or with -1 that it has answered it. One that it gave up
// may still be done. w.mu is not held.
func (j *judge) serves(session, resource string, begins int, err error) {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	s := j.served[session+" "+resource]
	s.now += begins
	s.last = time.Now()
	if errors.Is(err, context.DeadlineExceeded) {
		s.last = s.last.Add(2 * time.Minute)
	}
	j.served[session+" "+resource] = s
}

func newJudge(w *world) *judge {
	return &judge{w: w, sessions: map[string]*known{}, docs: map[string]*doc{}, moving: map[string]time.Time{}, asked: map[string]time.Time{}, served: map[string]served{}, behind: map[string]time.Time{}}
}

func (j *judge) violate(promise, format string, args ...any) {
	what := promise + ": " + fmt.Sprintf(format, args...)
	j.w.sayLocked("JUDGE", "%s", what)
	if len(j.violations) < 5 {
		j.violations = append(j.violations, fmt.Sprintf("%v: %s", time.Since(j.w.began).Round(time.Millisecond), what))
	}
}

func (j *judge) broken() []string {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	return j.violations
}

func (j *judge) known(session string) *known {
	k := j.sessions[session]
	if k == nil {
		k = &known{byes: map[int64]time.Time{}, released: map[string]int64{}, cancels: map[string]time.Time{}}
		j.sessions[session] = k
	}
	return k
}

func (j *judge) doc(name string) *doc {
	d := j.docs[name]
	if d == nil {
		d = &doc{versions: map[int64]view{}}
		j.docs[name] = d
	}
	return d
}

// welcomed notes that a node is about to welcome a session, whose hello was sent at that time. w.mu is held.
func (j *judge) welcomed(user, session string, epoch int64, at *process, sent time.Time) {
	j.w.count.Resumes++
	k := j.known(session)
	k.client, k.met = user, max(k.met, epoch)
	if k.at != at {
		k.at, k.moved = at, time.Now()
	}
	if sent.After(k.bye) { // or it was left meanwhile
		k.bye = time.Time{}
	}
	j.acked(session, sent)
}

// acked notes that a node is about to acknowledge a sign of life.
func (j *judge) acked(session string, sent time.Time) {
	j.w.count.Acks++
	k := j.known(session)
	k.heard = time.Now()
	if until := sent.Add(j.w.style.ttl); until.After(k.sure) && k.bye.IsZero() { // who has left is not there to believe it
		k.sure, k.up, k.covered = until, j.uptime-time.Since(sent), j.covered-time.Since(sent)
	}
}

// What pages do that gives away what they have.

func (j *judge) left(session string, epoch int64) {
	k := j.known(session)
	k.byes[epoch] = time.Now()
	if k.bye.IsZero() { // said again before it was welcome, the first one counts
		k.bye = time.Now()
	}
}
func (j *judge) resuming(session string) { j.known(session).resuming = time.Now() }
func (j *judge) released(session string, epoch int64, resource string, fence int64) {
	j.known(session).released[fmt.Sprint(resource, " ", fence)] = epoch
}
func (j *judge) cancelled(session, resource string) {
	j.known(session).cancels[resource] = time.Now()
}

// gaveUp reports whether a session has left the line for a resource since it asked, or so lately that it may arrive only now.
func (j *judge) gaveUp(session, resource string) bool {
	at, ok := j.known(session).cancels[resource]
	return ok && (time.Since(at) < 5*time.Minute || at.After(j.asked[session+" "+resource]))
}
func (j *judge) moves(user, resource string) { j.moving[user+" "+resource] = time.Now() }
func (j *judge) asks(session, resource string) {
	j.asked[session+" "+resource] = time.Now()
}
func (j *judge) begun(p *page)  { j.alone(p) }
func (j *judge) saving(p *page) { j.alone(p) }

// alone checks that no other page believes in what this one holds, save where a decision ended its holding.
func (j *judge) alone(p *page) {
	d := j.doc(p.want)
	for _, q := range j.w.pages {
		if q != p && q.want == p.want && q.believes() && p.believes() {
			older := min(q.fence, p.fence)
			if !d.decided(older) {
				j.violate("S5", "%s (fence %d) and %s (fence %d) both believe that they hold %s", p.user.ID, p.fence, q.user.ID, q.fence, p.want)
			}
		}
	}
}

func (d *doc) decided(fence int64) bool {
	v, ok := d.versions[-fence]
	return ok && v.lapsed
}

// decide notes that the holding with that fence was ended by a decision.
func (d *doc) decide(fence int64) { d.versions[-fence] = view{lapsed: true} }

// committed looks at a group that was just written. before has the records that it replaced.
func (j *judge) committed(g store.Group, before []store.Record, rev int64) {
	j.w.count.Commits++
	var change *lease.Change
	for _, op := range g {
		if name, ok := strings.CutPrefix(op.Key, "history/"); ok && !op.Delete {
			c, err := lease.DecodeChange(op.Data, rev)
			if err != nil || change != nil {
				j.violate("S8", "history of %s: %v, or two entries for one change", name, err)
				return
			}
			change = &c
		}
	}
	looked := false
	for i, op := range g {
		if op.Keep {
			continue
		}
		kind, name, _ := strings.Cut(op.Key, "/")
		switch kind {
		case "lock":
			looked = true
			j.lock(name, op, before[i], rev, change)
		case "session":
			j.session(name, op, rev)
		case "node":
			if gap := time.Since(j.renewed); gap <= 4*time.Second {
				j.covered += gap
			}
			j.renewed = time.Now()
			if op.Delete || strings.Contains(string(op.Data), "ended") {
				j.w.sayLocked("disk", "the record of node %s is deleted or ended: %s", name, op.Data)
			}
		}
	}
	if change != nil && !looked {
		j.violate("S8", "a history entry without its change: %+v", *change)
	}
}

// holds returns what a session has confirmed that it holds, with the fences. w.mu is not held.
func (j *judge) holds(session string) map[string]int64 {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	held := map[string]int64{}
	for name, d := range j.docs {
		if h := holdOf(d.state); h != nil && h.Session == session && h.Confirmed && !h.Lapsed { // of an unconfirmed one the node itself may not know yet
			held[name] = h.Fence
		}
	}
	return held
}

// cameBack checks that a session that has come back is told of all that it had, and has. w.mu is not held.
func (j *judge) cameBack(c *editlock.Conn, had map[string]int64) {
	has := j.holds(c.Session())
	for _, s := range c.Snapshots() {
		delete(had, s.Resource)
	}
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	for name, fence := range had {
		if has[name] == fence {
			j.violate("L4", "a session came back, and was not told that it holds %s with fence %d", name, fence)
		}
	}
}

// told checks that what is said of a resource is what was committed. w.mu is not held.
func (j *judge) told(d *door, resource string, s editlock.Snapshot) {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	if d.p.over || resource == "" {
		return
	}
	j.w.count.Snapshots++
	doc := j.doc(s.Resource)
	v, ok := doc.versions[s.Revision]
	if s.State == editlock.Free && !ok {
		return // of no record: nothing was said of a holder
	}
	session := ""
	if d.conn != nil {
		session = d.conn.Session()
	}
	switch {
	case !ok:
		j.violate("S7", "%s was told of revision %d of %s, which is not durable", session, s.Revision, s.Resource)
	case (s.State == editlock.Free) != (v.fence == 0), s.Holder != nil && s.Holder.User.ID != v.user, s.Waiting != v.waiting, (s.State == editlock.Lapsed) != v.lapsed:
		j.violate("S7", "%s was told %+v of revision %d of %s, which says %+v", session, s, s.Revision, s.Resource, v)
	case s.Mine.Fence != 0 && session != "" && (v.fence != s.Mine.Fence || v.session != session):
		j.violate("S1", "%s was told that it holds %s with fence %d; revision %d says %+v", session, s.Resource, s.Mine.Fence, s.Revision, v)
	}
}
