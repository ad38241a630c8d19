package client

import (
	"context"
	"log/slog"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/internal/latest"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// silent is a connection over which nothing goes.
type silent struct{}

func (silent) send([]byte) error { return nil }
func (silent) close()            {}
func (silent) run()              {}

// alone is a session whose clocks stand, and a new connection of it that is welcomed with what is held.
func alone(now *lease.Clocks) (s *Session, welcomed func(resume string, held ...wire.Snapshot) *link) {
	s = newSession(Options{Logger: slog.New(slog.DiscardHandler)}, []*url.URL{{}})
	s.clocks = func() lease.Clocks { return *now }
	return s, func(resume string, held ...wire.Snapshot) *link {
		l := newLink(s, s.bases[0])
		l.carrier = silent{}
		s.welcome(l, &wire.Welcome{Session: "s", Resume: resume, TTL: 30, Margin: 3, Snapshots: held}, *now)
		return l
	}
}

func held(token string) wire.Snapshot {
	return wire.Snapshot{Resource: "article/42", Revision: 10, State: "held", Mine: &wire.Mine{State: "held", Fence: 7, Token: token}}
}

func (s *Session) grab(t *testing.T) *Lock {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.claimOf("article/42")
	c.asking = 1
	lock := s.take("article/42", c)
	if lock == nil {
		t.Fatal("what is held is not given out")
	}
	return lock
}

// What an older connection says, once the session has another, changes nothing: no state, no token, no belief, no news.
// Faults: B12, W4
func TestLateWordsOfAnOlderConnection(t *testing.T) {
	now := lease.Clocks{Mono: time.Hour, Wall: 1000 * time.Hour}
	s, welcomed := alone(&now)
	old := welcomed("r1", held("t1"))
	lock := s.grab(t)
	s.pinged(old, &wire.Ping{Ping: 1}, now)
	welcomed("r2", held("t2"))
	if lock.Token() != "t2" {
		t.Errorf("the token is %q", lock.Token())
	}
	w := &watcher{what: "article/", prefix: true, feed: latest.New[editlock.Snapshot](), seen: map[string]int64{}}
	s.watchers[w] = struct{}{}

	s.heard(old, wire.Snapshot{Resource: "article/42", Revision: 11, State: "free", Ended: &wire.Ended{Fence: 7, Reason: "released"}})
	s.proved(old, []wire.LockGrant{{Resource: "article/42", Fence: 7, Token: "t0"}})
	s.listed(old, "article/", &wire.OK{Snapshots: []wire.Snapshot{{Resource: "article/41", Revision: 5, State: "held"}}})
	now.Mono, now.Wall = now.Mono+20*time.Second, now.Wall+20*time.Second
	s.pinged(old, &wire.Ping{Ping: 2, Ack: 1}, now)
	s.pinged(old, &wire.Ping{Ping: 3, Ack: 2}, now)

	if err := lock.Context().Err(); err != nil || lock.Token() != "t2" {
		t.Errorf("%v, token %q", err, lock.Token())
	}
	if len(w.seen) != 0 {
		t.Errorf("it tells of %v", w.seen)
	}
	if left := s.belief.Left(now); left != 7*time.Second {
		t.Errorf("belief lasts for %v more", left)
	}
	s.down(old)
	if s.link == nil {
		t.Error("its end leaves the session without a connection")
	}
}

// A machine slept, and what it hears first is the welcome of a new connection, before any timer has run: what was held meanwhile
// could not be trusted, and is not again.
// Faults: B3, B10
func TestWelcomeAfterASleep(t *testing.T) {
	now := lease.Clocks{Mono: time.Hour, Wall: 1000 * time.Hour}
	s, welcomed := alone(&now)
	welcomed("r1", held("t1"))
	lock := s.grab(t)
	now.Wall += 28 * time.Second
	welcomed("r2", held("t2"))
	if lock.ctx.Err() == nil {
		t.Error("a lock is believed in that was in doubt for a second")
	}
	if again := s.grab(t); again == lock || again.Context().Err() != nil {
		t.Error("it is not given out afresh")
	}
}

// The nonce stays the same as long as an attempt is repeated, and is a new one with each new resume token.
// Faults: B11
func TestNonces(t *testing.T) {
	var now lease.Clocks
	s, welcomed := alone(&now)
	seen := map[string]bool{}
	expect := func(want string) {
		t.Helper()
		nonce, resume := s.credentials()
		again, _ := s.credentials()
		if resume != want || nonce != again || seen[nonce] {
			t.Errorf("resume %q, want %q; nonce %q, then %q, seen before: %t", resume, want, nonce, again, seen[nonce])
		}
		seen[nonce] = true
	}
	expect("")
	welcomed("r1")
	expect("r1")
	welcomed("r2")
	expect("r2")
	s.forgetSession()
	expect("")
}

// What the session has, and nobody in the program knows of, is given back.
func TestWhatNobodyKnowsOf(t *testing.T) {
	var now lease.Clocks
	s, welcomed := alone(&now)
	welcomed("r1", held("t1"))
	fence := s.confirmed("article/42")
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.claims["article/42"]; c == nil || !c.unwanted() || fence != 7 {
		t.Errorf("%+v", c)
	}
}

// A later grant of the same session is another lock: the earlier one ends.
func TestEarlierLockEnds(t *testing.T) {
	now := lease.Clocks{Mono: time.Hour, Wall: 1000 * time.Hour}
	s, welcomed := alone(&now)
	welcomed("r1", held("t1"))
	lock := s.grab(t)
	s.mu.Lock()
	c := s.claims["article/42"]
	c.mine.Fence, c.revision = 12, 13
	s.mu.Unlock()
	if next := s.grab(t); next.Fence() != 12 || lock.ctx.Err() == nil {
		t.Errorf("fence %d; the earlier one: %v", next.Fence(), lock.ctx.Err())
	}
}

// What a watch of a prefix told, and the list of a new connection leaves out, was freed meanwhile; but not if the list is only the
// beginning of one.
func TestListThatGoesOn(t *testing.T) {
	for _, more := range []bool{false, true} {
		var now lease.Clocks
		s, welcomed := alone(&now)
		l := welcomed("r1")
		w := &watcher{what: "article/", prefix: true, feed: latest.New[editlock.Snapshot](), seen: map[string]int64{"article/41": 5}}
		s.watchers[w] = struct{}{}
		s.listed(l, "article/", &wire.OK{More: &more, Snapshots: []wire.Snapshot{{Resource: "article/40", Revision: 6, State: "held"}}})
		want := []string{"article/40 held", "article/41 free", "article/49 held"}
		if more {
			want = slices.Delete(want, 1, 2)
		}
		s.mu.Lock()
		w.put(editlock.Snapshot{Resource: "article/49", Revision: 9, State: editlock.Held})
		s.mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		out := make(chan editlock.Snapshot)
		go func() { w.feed.Run(ctx, t.Context(), out); close(out) }()
		for _, line := range want {
			if snap := <-out; snap.Resource+" "+string(snap.State) != line {
				t.Errorf("more: %t: %s %s, want %s", more, snap.Resource, snap.State, line)
			}
		}
		cancel()
	}
}

// The first attempt to come back leaves a holder half of what is left of its belief; whoever believes nothing takes its time.
// Faults: W1
func TestFirstAttemptIsInTime(t *testing.T) {
	now := lease.Clocks{Mono: time.Hour, Wall: 1000 * time.Hour}
	s, welcomed := alone(&now)
	welcomed("r1", held("t1"))
	s.grab(t)
	for after, most := range map[time.Duration]time.Duration{0: 4 * time.Second, 24 * time.Second: 1500 * time.Millisecond, 30 * time.Second: 4 * time.Second} {
		longest := time.Duration(0)
		now.Mono = time.Hour + after
		for range 1000 {
			s.attempts = 0
			longest = max(longest, s.jitter())
		}
		if longest > most || longest < most*9/10 {
			t.Errorf("%v after the hello: up to %v, want %v", after, longest, most)
		}
	}
}
