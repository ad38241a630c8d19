package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// Bounds of the session of a program.
const (
	maxCalls = 64  // requests under way
	maxEnded = 100 // ends of holds that it is told about
)

// program is the session of a program, which comes by requests. It is kept without a connection; while nothing is asked it costs
// its memory alone. It is the same session as that of a page: silence ends it, a restart does not.
type program struct {
	s     *Server
	user  string
	nonce string // with which this epoch began
	gone  chan struct{}

	mu    sync.Mutex
	conn  *editlock.Conn            // nil while it is made
	over  bool                      // no further request comes in; gone is closed
	why   error                     // that ended it, if it was the Manager
	calls int                       // requests under way
	turns int                       // requests that came
	waits map[string][]*waiter      // by resource; nil: none
	ended map[string]wire.EndedHold // how its holds ended, by resource; nil: none that is known
}

// programs are those that there are here.
type programs struct {
	limit int

	mu    sync.Mutex
	all   map[string]*program // by session
	taken int                 // of them, and of those that are being made
}

func (ps *programs) reserve(n int) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.taken+n > ps.limit {
		return false
	}
	ps.taken += n
	return true
}

func (ps *programs) find(session string) *program {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.all[session]
}

func (ps *programs) list() []*program {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return slices.Collect(maps.Values(ps.all))
}

// errNoSession says that of the session of a request nothing is left.
var errNoSession = errors.New("server: the session holds and waits for nothing any more")

// enter begins a request of a program, in the session that token proves, or in a new one without a token. If nothing is left of
// that session, a new one takes its place if anew says so; or else it is errNoSession. The caller calls leave.
func (s *Server) enter(c *call, token, nonce string, anew bool) (*program, error) {
	for range 5 {
		p, err := s.sessionOf(c, token, nonce, anew)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		over, full := p.over, p.calls >= maxCalls
		if !over && !full {
			p.calls++
			p.turns++
		}
		p.mu.Unlock()
		switch {
		case full:
			return nil, tooFast("Too many requests of this session are under way. Wait for an answer.", 0)
		case !over:
			p.conn.Heard() // whoever asks is there
			return p, nil
		}
	}
	return nil, editlock.ErrSessionOver // again and again, in the moment between
}

func (s *Server) sessionOf(c *call, token, nonce string, anew bool) (*program, error) {
	if token == "" {
		return s.connect(c, editlock.Connect{Nonce: newNonce(nonce, "")})
	}
	t, err := wire.VerifyResume(s.opts.ResumeSecret, token)
	if err != nil || t.User != c.who.user.ID {
		return nil, editlock.ErrResumeRefused
	}
	nonce = newNonce(nonce, token)
	if p, err := s.known(t, nonce); p != nil || err != nil {
		return p, err
	}
	// Several that come at once after a restart are one resume.
	v, err, _ := s.api.resumes.Do(token+" "+nonce, func() (any, error) {
		if p, err := s.known(t, nonce); p != nil || err != nil {
			return p, err // another one has just done it: to do it again would take the session from that one
		}
		return s.connect(c, editlock.Connect{Nonce: nonce, Resume: &editlock.Resume{Session: t.Session, Epoch: t.Epoch}})
	})
	switch {
	case anew && errors.Is(err, errNoSession):
		return s.connect(c, editlock.Connect{Nonce: nonce})
	case err != nil:
		return nil, err
	}
	return v.(*program), nil
}

// known finds the session of a token, if it is here; the token must be its present one, or that of the attempt which made its epoch.
func (s *Server) known(t wire.Resume, nonce string) (*program, error) {
	p := s.api.programs.find(t.Session)
	if p == nil {
		return nil, nil
	}
	switch epoch := p.conn.Epoch(); {
	case t.Epoch == epoch, t.Epoch == epoch-1 && nonce == p.nonce:
		return p, nil
	case t.Epoch < epoch:
		s.log.Warn("the token of a program's session was used again", "session", t.Session, "user", t.User, "epoch", t.Epoch)
		return nil, editlock.ErrResumeReused
	}
	return nil, nil
}

// newNonce is the one that was sent, or else always the same one for the same token.
func newNonce(sent, token string) string {
	if sent != "" {
		return sent
	}
	sum := sha256.Sum256([]byte("editlock nonce of a program\x00" + token))
	return wire.NewNonce([16]byte(sum[:16]))
}

// connect makes a session of the Manager, or takes one up, of which there is something left.
func (s *Server) connect(c *call, ask editlock.Connect) (*program, error) {
	ps := &s.api.programs
	if !ps.reserve(1) {
		return nil, &wire.Error{Code: wire.TooManySessions, Message: "This server keeps as many sessions of programs as it may. Try again later.", RetryAfter: 10}
	}
	p := &program{s: s, user: c.who.user.ID, nonce: ask.Nonce, gone: make(chan struct{})}
	ask.User, ask.Notify, ask.Closed = c.who.user, p.notify, p.closed
	conn, err := s.m.Connect(c.ctx, ask)
	if err == nil && ask.Resume != nil && !conn.Resumed() {
		err = errors.Join(errNoSession, conn.End(c.ctx))
	}
	if err != nil {
		ps.reserve(-1)
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn = conn
	if p.over { // the Manager has ended it since
		ps.reserve(-1)
		return p, nil
	}
	ps.mu.Lock()
	ps.all[conn.Session()] = p
	ps.mu.Unlock()
	return p, nil
}

// token proves the session from now on.
func (p *program) token() string {
	return wire.SignResume(p.s.opts.ResumeSecret, wire.Resume{Session: p.conn.Session(), User: p.user, Epoch: p.conn.Epoch()})
}

// What becomes of the session at the end of a request.
type fate int

const (
	goesOn  fate = iota
	ifIdle       // it ends if it holds and waits for nothing
	forsake      // it ends: nobody knows of it
)

// leave ends a request, and reports whether the session goes on.
func (p *program) leave(f fate) bool {
	p.mu.Lock()
	p.calls--
	last, turns := p.calls == 0 && !p.over, p.turns
	p.mu.Unlock()
	if !last || f == goesOn {
		return true
	}
	ctx, cancel := context.WithTimeout(p.s.ctx, p.s.opts.RequestTimeout)
	defer cancel()
	if f == ifIdle {
		if standing, err := p.conn.Standing(ctx); err != nil || len(standing) > 0 {
			return true
		}
	}
	p.mu.Lock()
	if p.calls > 0 || p.turns != turns || p.over {
		p.mu.Unlock()
		return true // there was another request meanwhile
	}
	p.retire(nil)
	p.mu.Unlock()
	if err := p.conn.End(ctx); err != nil {
		p.s.log.Info("the session of a program was not ended; the silence will do it", "session", p.conn.Session(), "err", err)
	}
	return false
}

// closed is called by the Manager when it ends the session, or another connection has it.
func (p *program) closed(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.retire(why)
	}
}

// retire makes the session unknown here. mu is held.
func (p *program) retire(why error) {
	p.over, p.why = true, why
	close(p.gone)
	if p.conn == nil {
		return // connect sees to the rest
	}
	ps := &p.s.api.programs
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.taken--
	if id := p.conn.Session(); ps.all[id] == p {
		delete(ps.all, id)
	}
}

// reason is why the Manager has ended the session.
func (p *program) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil {
		return editlock.ErrSessionOver
	}
	return p.why
}

// notify is given every snapshot for the session.
func (p *program) notify(s editlock.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := s.Ended; e != nil && (p.ended[s.Resource].Resource != "" || len(p.ended) < maxEnded) {
		if p.ended == nil {
			p.ended = map[string]wire.EndedHold{}
		}
		p.ended[s.Resource] = wire.EndedHold{Resource: s.Resource, Ended: *plain(s).Ended}
	}
	for _, w := range p.waits[s.Resource] {
		select { // the newest counts
		case <-w.news:
		default:
		}
		w.news <- s
	}
}

// waiter is a request that waits for a resource.
type waiter struct {
	news    chan editlock.Snapshot // holds the newest
	givenUp chan struct{}          // closed when another request has given the place up
}

// listen gives the news of a resource from now on, until stop.
func (p *program) listen(resource string) (w *waiter, stop func()) {
	w = &waiter{news: make(chan editlock.Snapshot, 1), givenUp: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waits == nil {
		p.waits = map[string][]*waiter{}
	}
	p.waits[resource] = append(p.waits[resource], w)
	delete(p.ended, resource) // it is asked for again
	return w, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if i := slices.Index(p.waits[resource], w); i >= 0 {
			p.waits[resource] = slices.Delete(p.waits[resource], i, i+1)
		}
		p.quiet(resource)
	}
}

// quiet keeps no memory for what nobody waits for. mu is held.
func (p *program) quiet(resource string) {
	if len(p.waits[resource]) == 0 {
		delete(p.waits, resource)
	}
	if len(p.waits) == 0 {
		p.waits = nil
	}
}

// giveUp sends away the requests that wait for a resource: they must not ask again.
func (p *program) giveUp(resource string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.waits[resource] {
		close(w.givenUp)
	}
	delete(p.waits, resource)
	p.quiet(resource)
}

// endings are how holds of the session ended, as far as is known.
func (p *program) endings() []wire.EndedHold {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []wire.EndedHold
	for _, name := range slices.Sorted(maps.Keys(p.ended)) {
		list = append(list, p.ended[name])
	}
	return list
}

// waits bounds the requests that wait: each has a connection.
type waits struct {
	limit, perUser int

	mu    sync.Mutex
	total int
	users map[string]int
}

// enter takes a place, or reports that there is none.
func (w *waits) enter(user string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.total >= w.limit || w.users[user] >= w.perUser {
		return false
	}
	w.total++
	w.users[user]++
	return true
}

func (w *waits) leave(user string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.total--
	less(w.users, user)
}

func (w *waits) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total
}
