// Package client is the remote side of editlock for Go programs: the same [editlock.Session] as an embedded Manager gives, of a
// server elsewhere.
//
//	s, err := client.Open(ctx, client.Options{
//		Servers: []string{"https://app.example.com/editlock"},
//		Token:   token, // an access token of this program, from the application
//	})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	lock, err := s.Acquire(ctx, "article/42") // waits its turn
//	if err != nil {
//		return err
//	}
//	defer lock.Release(ctx)
//	return save(lock.Context(), lock.(*client.Lock).Token())
//
// # What a held lock promises
//
// The session outlives its connections: one that is cut, a server that restarts or moves its clients away, costs neither a lock
// nor a place in the queue, as long as the client is back within the session's TTL (30 s unless the server says otherwise). Meanwhile a lock
// is trusted for as long as the server cannot have given it to another by expiry: the TTL less a margin, counted from the
// *sending* of the last sign of life that the server has acknowledged, by the larger of the monotonic and the
// wall clock. Then its Context is cancelled, with a cause that is [editlock.ErrUnsure].
//
// A program that was stopped (a suspended machine, SIGSTOP, a container that was frozen) runs on from where it stood,
// and no timer of its own can run before that. Its first look at the lock's Context().Err() or context.Cause tells the truth
// nevertheless: both read the clocks. Whoever only waits for Context().Done() learns it a moment after waking, within a second at the
// latest. Nothing in the program itself can do more: a write that is on its way when the machine stops arrives
// when it goes on. So let whoever takes the write compare the fence, or check the lock token (package guard).
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/editlock/editlock"
)

// Options tell [Open] where the server is and who this program is. Servers and Token are required.
type Options struct {
	// Servers are the addresses at which one service is reached, each with its base path, such as
	// "https://app.example.com/editlock": its nodes, or one address before them all. A session goes on at any of them.
	Servers []string
	// Token returns an access token of this program's user: a JWT of the application, as docs/spec.md has it. It is called at the start, and again
	// before the token expires, each time with a context of Timeout, from one goroutine at a time.
	Token func(ctx context.Context) (string, error)
	// Timeout bounds every call that does not wait its turn, the time without a connection included: Open, Try, Watch,
	// Changed, Release and Close. 0 means 10 s.
	Timeout time.Duration
	// Dial makes network connections. nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy says by which proxy HTTP goes, as http.Transport has it, where no WebSocket gets through. WebSockets are dialled directly. nil means
	// the one that the environment names (HTTPS_PROXY), if any.
	Proxy func(*http.Request) (*url.URL, error)
	// TLS is for https. nil means the defaults.
	TLS *tls.Config
	// Logger is told, at Warn, why there is no connection, and at Debug when one begins and ends. nil means slog.Default(). No token is logged.
	Logger *slog.Logger
}

// Errors that an embedded session has not, since there everybody is known and may do all. Test with errors.Is.
var (
	ErrUnauthenticated = errors.New("editlock: the access token was refused")
	ErrForbidden       = errors.New("editlock: the access token does not give this right")
)

const defaultTimeout = 10 * time.Second

func (o Options) withDefaults() (Options, []*url.URL, error) {
	if len(o.Servers) == 0 {
		return o, nil, errors.New("editlock: Servers is empty: name where editlock is served, as https://app.example.com/editlock")
	}
	if o.Token == nil {
		return o, nil, errors.New("editlock: Token is missing: give a function that returns an access token")
	}
	if o.Timeout < 0 {
		return o, nil, errors.New("editlock: Timeout is below zero")
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	var bases []*url.URL
	for _, text := range o.Servers {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return o, nil, fmt.Errorf("editlock: the server %q is no address: write it as https://app.example.com/editlock", text)
		}
		u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
		bases = append(bases, u)
	}
	return o, bases, nil
}

// Open connects, and makes a session. ctx and Options.Timeout bound that only: the session then lives until it is closed. It returns
// [editlock.ErrUnavailable] if no server answers, [ErrUnauthenticated] if the access token is refused, the error of Options.Token, or
// [editlock.ErrTooManySessions].
func Open(ctx context.Context, options Options) (*Session, error) {
	o, bases, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	s := newSession(o, bases)
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	first, err := s.begin(ctx)
	if err != nil {
		s.end()
		s.work.Wait()
		s.http.CloseIdleConnections()
		return nil, err
	}
	s.task(func() { s.stay(first) })
	s.task(s.guard)
	return s, nil
}

var _ editlock.Session = (*Session)(nil)
