package editlock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// The kinds of records, by the beginning of their keys.
const (
	lockKey    = "lock/"
	sessionKey = "session/"
	nodeKey    = "node/"
	historyKey = "history/"
)

// Manager hosts sessions over a store. Several Managers on one store are its nodes: a session may come back to any of them, and each hears of
// what the others write, except where the store says that it is for one alone (store.Store.Alone). All its methods may be called from
// several goroutines.
type Manager struct {
	cfg Config
	st  store.Store
	w   *store.Writer
	log *slog.Logger

	observer Observer // without nil functions, save Writing

	ctx    context.Context // ends with the Manager
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup

	mu        sync.Mutex // never held while a resource's or a session's is taken
	resources map[string]*resource
	sessions  map[string]*session
	users     map[string]int                // sessions a user has on this node
	prefixes  map[string]map[*Conn]struct{} // who watches what begins so
	locals    map[*local]struct{}
	draining  bool
	stopped   bool
	latest    int64 // the highest revision seen

	scans chan struct{} // a token is in it for each list that is being made
	life  lease.Liveness
	node  node
	ear   ear
	clock clock // of the slow pass
}

// maxScans is how many lists are made at once. One may have to look through all the locks that there are, for somebody who may
// see few of them; whoever asks for many is not to keep the store from everybody else.
const maxScans = 2

// Open starts a Manager on a store, which stays the caller's to close, after the Manager. It reads what
// the store has, and grants every session that it finds there the time to come back.
func Open(ctx context.Context, st store.Store, cfg Config) (*Manager, error) {
	if st == nil {
		return nil, errors.New("editlock: Open needs a store, such as one of package sqlite")
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Manager{
		cfg: cfg, st: st, w: store.NewWriter(st), log: cfg.Logger, observer: cfg.Observer.withDefaults(),
		resources: map[string]*resource{}, sessions: map[string]*session{},
		users: map[string]int{}, prefixes: map[string]map[*Conn]struct{}{}, locals: map[*local]struct{}{},
		scans: make(chan struct{}, maxScans),
	}
	m.life = cfg.liveness()
	m.ear = ear{alone: st.Alone(), busy: make(chan struct{}, 1), names: map[string]naming{}, emptied: map[string]int64{}}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	if err := m.start(ctx); err != nil {
		m.cancel(ErrClosed)
		m.w.Close()
		return nil, err
	}
	return m, nil
}

func (m *Manager) start(ctx context.Context) error {
	now := time.Now()
	var err error
	if !m.ear.alone { // first, so that nothing is missed
		if _, m.ear.upTo, err = m.st.Changes(ctx, -1, 0); err != nil {
			return storeError(err)
		}
	}
	err = m.each(ctx, sessionKey, func(rec store.Record) error {
		s, err := decodeSession(rec)
		if err != nil {
			m.log.Error("the record of a session cannot be read: nobody gets what it holds or waits for; run the version that wrote it, or delete the record",
				"key", rec.Key, "error", err)
			return nil
		}
		m.sessions[s.id] = s
		m.users[s.user.ID]++
		return nil
	})
	if err != nil {
		return err
	}
	var due []string
	err = m.each(ctx, lockKey, func(rec store.Record) error {
		name := strings.TrimPrefix(rec.Key, lockKey)
		m.saw(rec.Rev)
		s, err := lease.Decode(rec.Data, rec.Rev, lease.State{}, now)
		if err != nil {
			m.log.Error("the record of a lock cannot be read: nobody gets this lock; run the version that wrote it, or delete the record",
				"resource", name, "key", rec.Key, "error", err)
			return nil
		}
		for id := range s.Names {
			known, err := m.recorded(ctx, id)
			switch {
			case errors.Is(err, errUnreadable):
				return nil // it was said
			case err != nil:
				return err
			case known == nil:
				// Its record is missing. It is given the time to come back all the same.
				m.sessions[id] = newSession(id, User{})
			}
		}
		m.index(name, rec.Rev, s, slices.Collect(s.Names)...)
		if !m.cfg.Rules.Next(s, m.know).IsZero() {
			due = append(due, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := m.join(ctx); err != nil {
		return err
	}
	for _, name := range due {
		m.post(name, &op{})
	}
	m.task(m.live)
	m.task(m.tidy)
	if !m.ear.alone {
		m.task(m.listen)
	}
	if n := len(m.sessions); n > 0 {
		m.log.Info("sessions of before may come back", "sessions", n, "within", m.life.Fresh())
	}
	return nil
}

// each calls f with every record whose key begins with prefix.
func (m *Manager) each(ctx context.Context, prefix string, f func(store.Record) error) error {
	for after := ""; ; {
		recs, err := m.st.List(ctx, prefix, after, 500)
		if err != nil {
			return storeError(err)
		}
		for _, rec := range recs {
			if err := f(rec); err != nil {
				return err
			}
			after = rec.Key
		}
		if len(recs) < 500 {
			return nil
		}
	}
}

// Config returns the configuration with its defaults filled in.
func (m *Manager) Config() Config { return m.cfg }

// Ready returns nil if the Manager may serve new sessions, and otherwise why not.
func (m *Manager) Ready() error {
	m.mu.Lock()
	draining := m.draining
	m.mu.Unlock()
	switch {
	case m.ctx.Err() != nil:
		return ErrClosed
	case draining:
		return ErrShuttingDown
	case !m.vouches():
		return ErrUnavailable
	}
	return nil
}

// Drain makes Ready fail and refuses new sessions. Those that there are go on.
func (m *Manager) Drain() {
	m.mu.Lock()
	m.draining = true
	m.mu.Unlock()
}

// Close ends the sessions of this process and stops. Sessions of remote pages are not ended: they
// come back to the next process.
func (m *Manager) Close() error {
	m.Drain()
	var ending sync.WaitGroup
	for _, s := range m.all() {
		if s.here {
			ending.Go(func() { _ = m.endSession(context.Background(), s, Left) })
		}
	}
	ending.Wait()
	m.cancel(ErrClosed)
	for _, s := range m.all() {
		s.mu.Lock()
		conn := s.conn
		s.mu.Unlock()
		if conn != nil {
			conn.end(ErrShuttingDown)
		}
	}
	m.mu.Lock()
	m.stopped = true
	resources := slices.Collect(maps.Values(m.resources))
	m.mu.Unlock()
	for _, r := range resources {
		r.mu.Lock()
		if r.timer != nil {
			r.timer.Stop()
		}
		r.mu.Unlock()
	}
	m.tasks.Wait()
	m.leave()
	m.w.Close()
	return nil
}

func (m *Manager) all() []*session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.sessions))
}

// enter begins a task that Close waits for, until m.tasks.Done. It reports false, and does not, once the Manager has stopped.
func (m *Manager) enter() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.stopped {
		m.tasks.Add(1)
	}
	return !m.stopped
}

// task runs f in a goroutine as a task.
func (m *Manager) task(f func()) bool {
	if !m.enter() {
		return false
	}
	go func() {
		defer m.tasks.Done()
		f()
	}()
	return true
}

// know is what the rules may know of a session.
func (m *Manager) know(id string) lease.Session {
	if s := m.find(id); s != nil {
		return s.facts()
	}
	return lease.Session{Over: true}
}

func (m *Manager) find(id string) *session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions[id]
}

// saw notes a revision of the store.
func (m *Manager) saw(rev int64) {
	m.mu.Lock()
	m.latest = max(m.latest, rev)
	m.mu.Unlock()
}

// newest returns the highest revision of the store that was seen.
func (m *Manager) newest() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.latest
}

// note notes how the record of a resource names a session, if it does.
func (m *Manager) note(id, name string, state lease.State) {
	s := m.find(id)
	if s == nil {
		s = m.adopt(id)
	}
	place, _ := state.Place(id, "")
	h := state.HoldOf(id, "")
	s.mu.Lock()
	switch {
	case h != nil && h.Lapsed:
		s.in[name] = lapsed
	case h != nil:
		s.in[name] = holds
	case place > 0:
		s.in[name] = waits
	default:
		delete(s.in, name)
	}
	idle := s.over && len(s.in) == 0
	s.mu.Unlock()
	if idle {
		m.task(func() { m.forget(s) })
	}
}

// adopt makes a session known of which a record of a resource tells. Its time begins now.
func (m *Manager) adopt(id string) *session {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.sessions[id]; s != nil {
		return s
	}
	s := newSession(id, User{})
	m.sessions[id] = s
	return s
}

// write applies a group.
func (m *Manager) write(g store.Group) (int64, error) {
	return m.writeWithin(m.cfg.StoreTimeout, g)
}

func (m *Manager) writeWithin(d time.Duration, g store.Group) (int64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), d)
	defer cancel()
	return m.w.Write(ctx, g)
}

// Changed tells everybody who waits for or watches a resource that its content was saved as version. It
// is for the application; a page that holds the lock says it over its connection.
func (m *Manager) Changed(ctx context.Context, resource, version string) error {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return err
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	return m.do(ctx, name, &op{event: lease.Event{Kind: lease.Changed, Version: version}}).err
}

func checkVersion(v string) error {
	if len(v) > lease.MaxText {
		return fmt.Errorf("%w: a version of the content has at most %d bytes", ErrBadRequest, lease.MaxText)
	}
	return nil
}

// storeError turns what a store says into what the caller of a Manager is told.
func storeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrUnknown):
		return fmt.Errorf("%w (%w)", ErrUnknownOutcome, err)
	case errors.Is(err, store.ErrTooLarge):
		return err
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrBroken), errors.Is(err, store.ErrClosed),
		errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrRevision),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Errorf("%w (%w)", ErrUnavailable, err)
	}
	return err
}
