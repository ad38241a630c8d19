package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/editlock/editlock/wire"
)

// When the keys are fetched. A key that was added or withdrawn is in force, or out of it, 45 s after the document's change at the latest.
const (
	jwksEvery   = 30 * time.Second // without being asked, unless that was done within the spacing
	jwksSpacing = 10 * time.Second // between two fetches, whatever tokens come
	jwksTimeout = 5 * time.Second  // for the whole of it
)

// JWKS are access keys that the application publishes under an address, as a JWKS document (RFC 7517). They are fetched again every 30 s, and
// when a token names one that is unknown, but no more than once in 10 s whatever tokens come. While that fails, the last keys
// that there were stay in force. Its methods may be called from several goroutines.
type JWKS struct {
	address *url.URL
	client  *http.Client
	log     *slog.Logger
	stop    context.CancelFunc
	ctx     context.Context
	ended   chan struct{}

	mu      sync.Mutex
	keys    wire.Keys
	said    string        // what was logged last, so that it is not said again every 30 s
	started time.Time     // when the last fetch began
	busy    chan struct{} // closed when the fetch under way ends; nil: none is
}

// OpenJWKS fetches the keys from an https address (http on this machine alone), and again until Close. The first time it
// waits for them, and fails if there are none. client may be nil; redirects are not followed. logger may be nil, which means slog.Default().
func OpenJWKS(ctx context.Context, address string, client *http.Client, logger *slog.Logger) (*JWKS, error) {
	u, err := parseJWKSAddress(address)
	if err != nil {
		return nil, err
	}
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.Timeout = jwksTimeout
	own.CheckRedirect = func(*http.Request, []*http.Request) error {
		return errors.New("it answers with a redirect: name the address that it leads to")
	}
	if logger == nil {
		logger = slog.Default()
	}
	j := &JWKS{address: u, client: &own, log: logger, ended: make(chan struct{}), started: time.Now()}
	if j.keys, err = j.fetch(ctx); err != nil {
		return nil, fmt.Errorf("server: no access keys from %s: %w", u.Redacted(), err)
	}
	j.ctx, j.stop = context.WithCancel(context.Background())
	go j.run()
	return j, nil
}

// Close ends the fetching. The keys stay as they are.
func (j *JWKS) Close() {
	j.stop()
	<-j.ended
}

// CheckJWKSAddress says what is wrong with an address that [OpenJWKS] would refuse. It asks nobody.
func CheckJWKSAddress(address string) error {
	_, err := parseJWKSAddress(address)
	return err
}

// parseJWKSAddress wants what nobody between can change: whoever can change the keys can be anybody.
func parseJWKSAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, errors.New("server: the address of the JWKS document must be of the form https://app.example.com/jwks.json")
	}
	switch ip, err := netip.ParseAddr(u.Hostname()); {
	case u.Scheme == "https":
	case u.Scheme == "http" && (err == nil && ip.IsLoopback() || strings.EqualFold(u.Hostname(), "localhost")):
	case u.Scheme == "http":
		return nil, errors.New("server: the address of the JWKS document must begin with https://, since whoever changes it on the way can be any user; http:// is for this machine alone")
	default:
		return nil, fmt.Errorf("server: the address of the JWKS document begins with %q; it must be https://", clip(u.Scheme))
	}
	return u, nil
}

// current are the keys in force.
func (j *JWKS) current() wire.Keys {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.keys
}

// renew is called for a token that names an unknown key. It returns when the keys have been fetched since, or at once with false if
// they were not, because that happened a moment ago.
func (j *JWKS) renew() bool {
	j.mu.Lock()
	j.begin()
	busy := j.busy
	j.mu.Unlock()
	if busy == nil {
		return false
	}
	<-busy
	return true
}

// begin starts to fetch, unless that is under way or was begun a moment ago. mu is held.
func (j *JWKS) begin() {
	if j.busy != nil || time.Since(j.started) < jwksSpacing || j.ctx.Err() != nil {
		return
	}
	busy := make(chan struct{})
	j.busy, j.started = busy, time.Now()
	go func() {
		keys, err := j.fetch(j.ctx)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.busy = nil
		close(busy)
		if err == nil {
			j.keys = keys
			return
		}
		if j.ctx.Err() == nil {
			j.say(slog.LevelError, "the access keys could not be fetched; those from before stay in force", "err", err)
		}
	}()
}

// run fetches the keys now and then.
func (j *JWKS) run() {
	defer close(j.ended)
	ticks := time.NewTicker(jwksEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			j.mu.Lock()
			j.begin()
			j.mu.Unlock()
			continue
		case <-j.ctx.Done():
		}
		j.mu.Lock()
		busy := j.busy
		j.mu.Unlock()
		if busy != nil {
			<-busy
		}
		return
	}
}

// fetch gets the document once.
func (j *JWKS) fetch(ctx context.Context) (wire.Keys, error) {
	ctx, cancel := context.WithTimeout(ctx, jwksTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, j.address.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := j.client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which may hold a password
		}
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it is answered with the status %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxJWKS+1))
	if err != nil {
		return nil, err
	}
	keys, left, err := wire.ParseJWKS(data)
	if err != nil {
		err = errors.New(strings.TrimPrefix(err.Error(), "wire: "))
		if len(left) > 0 {
			err = fmt.Errorf("%w: %s", err, clip(left[0]))
		}
		return nil, err
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = fmt.Sprintf("%s (%s)", clip(k.ID()), k.Algorithm())
	}
	if len(left) > 0 {
		j.note(slog.LevelWarn, "access keys were fetched, and some left out", "keys", names, "left_out", left)
	} else {
		j.note(slog.LevelInfo, "access keys were fetched", "keys", names)
	}
	return keys, nil
}

func (j *JWKS) note(level slog.Level, message string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.say(level, message, args...)
}

// say logs what was not said last. mu is held.
func (j *JWKS) say(level slog.Level, message string, args ...any) {
	if text := message + fmt.Sprint(args...); text != j.said {
		j.said = text
		j.log.Log(context.Background(), level, message, append(args, "address", j.address.Redacted())...)
	}
}
