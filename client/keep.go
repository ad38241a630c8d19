package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// How long one attempt to connect may take, from the first packet to the welcome. That by a WebSocket gives way sooner, to one
// without.
const (
	socketTimeout = 6 * time.Second
	helloTimeout  = 10 * time.Second
)

// streaming is for how long nothing but streams is tried, where a WebSocket has never got through.
const streaming = 10 * time.Minute

// begin makes the first connection.
func (s *Session) begin(ctx context.Context) (*link, error) {
	for {
		var err error
		for range s.bases {
			var l *link
			if l, err = s.attempt(ctx); err == nil {
				return l, nil
			}
			var e *wire.Error
			refused := errors.As(err, &e) && !elsewhere(e) && !passing(e)
			if refused || !errors.As(err, new(*ending)) && ctx.Err() == nil {
				return nil, meaning(err) // another try would be answered the same
			}
		}
		if s.pause(ctx, s.comeback(err)) != nil {
			if errors.Is(context.Cause(ctx), context.Canceled) {
				return nil, context.Cause(ctx)
			}
			return nil, &refusal{editlock.ErrUnavailable, "no lock server answers: " + err.Error()}
		}
	}
}

// stay keeps the session connected until it is over.
func (s *Session) stay(l *link) {
	for l != nil {
		l = s.following(l)
	}
}

// following waits until the session needs another connection than l, and makes it. It returns nil when the session is over.
func (s *Session) following(l *link) *link {
	var delay time.Duration
	over := l.over
	select {
	case <-s.life.Done():
	case <-l.over:
		over, delay = nil, s.comeback(l.why())
		s.next++
	case within := <-l.moved:
		delay = time.Duration(rand.Float64() * float64(within))
		s.next++
	case <-l.stale: // it stands, but nobody vouches for it
	}
	for {
		if s.life.Err() == nil && delay > 0 {
			t := time.NewTimer(delay)
			select {
			case <-t.C:
			case <-over: // the one that we were to leave has ended before
				over = nil
				t.Stop()
				delay = s.comeback(l.why())
				continue
			case <-s.life.Done():
			}
			t.Stop()
		}
		if s.life.Err() != nil {
			l.carrier.close()
			<-l.over
			return nil
		}
		n, err := s.attempt(s.life)
		if err == nil {
			select {
			case <-l.over: // it was closed when the new one was welcomed
			case <-s.life.Done():
				l.carrier.close()
				<-l.over
			}
			return n
		}
		// From here on the end of l says nothing: it may be the work of that attempt.
		over, delay = nil, s.comeback(err)
	}
}

// attempt makes one connection, to the next address, and returns it when it is welcomed: by a WebSocket, or where that does not get
// through, by a stream.
func (s *Session) attempt(ctx context.Context) (*link, error) {
	base := s.bases[s.next%len(s.bases)]
	l, err := s.connect(ctx, base)
	if err != nil {
		s.next++
		return nil, err
	}
	level := s.opts.Logger.Debug
	if s.attempts > 1 {
		level = s.opts.Logger.Info // the warning is over
	}
	_, streams := l.carrier.(*stream)
	level("editlock: connected", "server", base.String(), "stream", streams)
	s.attempts = 0
	return l, nil
}

func (s *Session) connect(ctx context.Context, base *url.URL) (*link, error) {
	getting, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	token, err := s.access.current(getting)
	if err != nil {
		return nil, err
	}
	if s.sockets || time.Now().After(s.streams) {
		l, err := s.over(ctx, socketTimeout, base, token, openSocket)
		if s.sockets = s.sockets || err == nil; !errors.As(err, new(blocked)) || ctx.Err() != nil {
			return l, err
		}
	}
	l, err := s.over(ctx, openTimeout+helloTimeout, base, token, openStream)
	if err != nil {
		s.streams, s.polls = time.Time{}, false
		return nil, err
	}
	k, _ := l.carrier.(*stream)
	s.streams, s.polls = time.Now().Add(streaming), k.polls
	return l, nil
}

// over makes a connection of one kind, and returns it when it is welcomed.
func (s *Session) over(ctx context.Context, limit time.Duration, base *url.URL, token string,
	open func(context.Context, *link, func() ([]byte, error)) (carrier, error)) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	l := newLink(s, base)
	k, err := open(ctx, l, func() ([]byte, error) { return l.hello(token) })
	if err != nil {
		l.err, l.code = err, wire.CloseAbnormal
		return nil, l.why()
	}
	l.carrier = k
	if !s.task(k.run) {
		k.close()
		return nil, editlock.ErrClosed
	}
	select {
	case <-l.ready:
		return l, nil
	case <-l.over:
	case <-ctx.Done():
		k.close()
		<-l.over
		if l.fault == nil {
			l.err = blocked{errors.New("the server did not answer in time")}
		}
	}
	if l.fault == nil && l.code == wire.CloseAbnormal && !errors.As(l.err, new(blocked)) {
		l.err = blocked{l.err}
	}
	return nil, l.why()
}

// comeback says how long to wait before the next attempt, after what went wrong, and does what that asks for.
func (s *Session) comeback(why error) time.Duration {
	code, least := wire.CloseAbnormal, time.Duration(0)
	var e *ending
	if errors.As(why, &e) {
		code = e.code
	} else {
		s.attempts = max(s.attempts, 1) // no access token
	}
	if s.life.Err() == nil {
		level := s.opts.Logger.Debug
		if s.attempts == 1 {
			level = s.opts.Logger.Warn // the first end of a connection is nothing: a server that is restarted, say
		}
		level("editlock: no connection; coming back", "attempts", s.attempts, "why", why)
	}
	var refused *wire.Error
	if errors.As(why, &refused) {
		least = min(refused.RetryAfter.Duration(), 20*time.Second)
	}
	switch wire.AfterClose(code) {
	case wire.ReturnNever:
		s.forgetSession()
		s.attempts = max(s.attempts, 1)
	case wire.ReturnRefresh:
		s.access.forget()
		if s.attempts == 0 {
			s.attempts++
			return least
		}
	case wire.ReturnLater:
		s.attempts = max(s.attempts, 1)
	}
	return max(s.jitter(), least)
}

// jitter spreads those that were cut off together. Who holds leaves half of what is left of its belief for the attempt itself: a connection that
// fell silent has cost most of it already, and those that it happens to are spread by their heartbeats.
func (s *Session) jitter() time.Duration {
	attempt := s.attempts
	s.attempts++
	s.mu.Lock()
	left, busy := s.belief.Left(s.clocks()), len(s.claims) > 0
	s.mu.Unlock()
	if attempt == 0 {
		most := 4 * time.Second
		if busy && left > 0 {
			most = min(most, left/2)
		}
		return time.Duration(rand.Float64() * float64(most))
	}
	most := 20.0
	if busy {
		most = 5
	}
	most = min(most, float64(int(1)<<min(attempt, 10)))
	return time.Duration((0.5 + rand.Float64()*(most-0.5)) * float64(time.Second))
}

// guard looks after what time alone brings: belief that lapses, a connection that fell silent, and what the session has and nobody wants.
func (s *Session) guard() {
	for {
		t := time.NewTimer(s.tend())
		select {
		case <-t.C:
		case <-s.wake:
		case <-s.life.Done():
			t.Stop()
			return
		}
		t.Stop()
	}
}

// tend does what is due, and says when to look again: within a second where the wall clock may matter, since timers stand still while the
// machine sleeps.
func (s *Session) tend() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	again, now := time.Hour, s.clocks()
	sure := s.belief.Holds(now)
	if sure { // with a connection or without
		again = s.belief.Left(now) + time.Millisecond
	}
	if l := s.link; l != nil {
		until := time.Until(l.due())
		if until <= 0 {
			s.taskLocked(l.carrier.close)
			until = time.Second
		}
		if again = min(again, until); !sure {
			l.leave()
		}
	}
	if len(s.claims) > 0 {
		again = min(again, time.Second)
	}
	for name, c := range s.claims {
		if s.link != nil && c.unwanted() && !(c.doubted && (!sure || time.Since(c.since) < reclaim)) {
			s.taskLocked(func() { s.drop(name) })
		}
	}
	return again
}
