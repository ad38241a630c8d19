package server_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/wire"
)

// publisher is an application that publishes keys, in the same bubble of virtual time.
type publisher struct {
	l    *pipes
	http *http.Server
	done chan struct{}
	busy sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	answer  http.HandlerFunc
	fetches []time.Time
}

func publish(answer http.HandlerFunc) *publisher {
	p := &publisher{l: &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}, done: make(chan struct{}), answer: answer}
	p.http = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		answer := p.answer
		if p.closed {
			p.mu.Unlock()
			return // nobody waits for it
		}
		p.busy.Add(1)
		defer p.busy.Done()
		p.fetches = append(p.fetches, time.Now())
		p.mu.Unlock()
		answer(w, r)
	})}
	go func() { defer close(p.done); _ = p.http.Serve(p.l) }()
	return p
}

func (p *publisher) now(answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// client reaches the publisher whatever the address says.
func (p *publisher) client() *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case p.l.conns <- far:
			return near, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial, DialTLSContext: dial}}
}

func (p *publisher) close() {
	_ = p.http.Close()
	<-p.done
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.busy.Wait()
}

// signer is a key of the application, whose public half it publishes.
func signer(kid string) *wire.Key {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, kid)
	return mustAnyKey(kid, ed25519.NewKeyFromSeed(seed))
}

func mustAnyKey(kid string, material any) *wire.Key {
	k, err := wire.NewKey(kid, material)
	if err != nil {
		panic(err)
	}
	return k
}

// document publishes the keys of these names.
func document(kids ...string) http.HandlerFunc {
	var list []string
	for _, kid := range kids {
		seed := make([]byte, ed25519.SeedSize)
		copy(seed, kid)
		public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
		list = append(list, fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q,"use":"sig"}`, kid, base64.RawURLEncoding.EncodeToString(public)))
	}
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(list, ",")) }
}

func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// withKeys runs f with a server that knows the keys of a publisher, and the application's secret.
func withKeys(t *testing.T, answer http.HandlerFunc, log slog.Handler, f func(b *bubble, p *publisher)) {
	var p *publisher
	var keys *server.JWKS
	inBubble(t, func(b *bubble) {
		f(b, p)
		p.now(document("a")) // what hangs ends
		keys.Close()
		p.close()
	}, func(o *server.Options) {
		p = publish(answer)
		var err error
		if keys, err = server.OpenJWKS(context.Background(), "https://app.example.com/jwks.json", p.client(), slog.New(log)); err != nil {
			panic(err)
		}
		o.Access.JWKS = keys
		o.Rate, o.Burst, o.MaxPerAddress = 100_000, 100_000, 100_000
	})
}

// says signs an access token of a user by a key.
func says(k *wire.Key, user string) string {
	token, err := k.Sign("JWT", map[string]any{"sub": user, "iss": "app", "aud": "editlock", "exp": time.Now().Add(time.Hour).Unix(), "rights": []string{"edit:**"}})
	if err != nil {
		panic(err)
	}
	return token
}

// greet says hello on a new connection, and reports the answer to it.
func (b *bubble) greet(token string) wire.Frame {
	p := b.socket()
	defer func() { _ = p.Close(); <-p.closed }()
	p.say(fmt.Sprintf(`{"id":1,"type":"hello","token":%q,"nonce":%q}`, token, nonce()))
	for {
		select {
		case f := <-p.frames:
			return f
		case <-p.closed:
			select {
			case f := <-p.frames:
				return f
			default:
				return nil
			}
		}
	}
}

func (b *bubble) welcomed(token string) bool {
	_, ok := b.greet(token).(*wire.Welcome)
	return ok
}

// Tokens that name unknown keys by the thousand make us fetch the keys once in 10 s, however slowly they come, and whoever has a token of a known key
// does not wait for that.
//
// Faults: A5
func TestUnknownKeysByTheThousand(t *testing.T) {
	for name, slow := range map[string]bool{"answered at once": false, "that hang": true} {
		t.Run(name, func(t *testing.T) {
			withKeys(t, document("a"), slog.DiscardHandler, func(b *bubble, p *publisher) {
				if slow {
					p.now(hangs)
				}
				begun := time.Now()
				stop := make(chan struct{})
				var strangers sync.WaitGroup
				for i := range 10 {
					strangers.Go(func() {
						for n := 0; ; n++ {
							select {
							case <-stop:
								return
							case <-time.After(300 * time.Millisecond):
							}
							if e, ok := b.greet(says(signer(fmt.Sprintf("x%d-%d", i, n)), "eve")).(*wire.Error); !ok || e.Code != wire.Unauthenticated {
								t.Errorf("a token of an unknown key was answered with %+v", e)
								return
							}
						}
					})
				}
				known := says(signer("a"), "ana")
				for time.Since(begun) < 90*time.Second {
					asked := time.Now()
					if !b.welcomed(known) || !b.welcomed(access("ben")) {
						t.Error("an honest page is refused")
					}
					if d := time.Since(asked); d > 0 { // of virtual time, which passes only where somebody waits
						t.Errorf("an honest page waited %v", d)
					}
					<-time.After(3 * time.Second)
				}
				close(stop)
				strangers.Wait()
				p.mu.Lock()
				defer p.mu.Unlock()
				if n := len(p.fetches); n < 7 || n > 11 {
					t.Errorf("fetched %d times in 90 s", n)
				}
				for i := 1; i < len(p.fetches); i++ {
					if d := p.fetches[i].Sub(p.fetches[i-1]); d < 10*time.Second {
						t.Errorf("fetched again after %v", d)
					}
				}
			})
		})
	}
}

// A key that the application adds counts at once, or a few seconds later; one that it withdraws, after a minute at most no longer. While
// it publishes nothing that can be read, those from before stay.
//
// Faults: A5, A6
func TestPublishedKeysChange(t *testing.T) {
	log := newLog("could not be fetched")
	withKeys(t, document("a"), log.logger().Handler(), func(b *bubble, p *publisher) {
		if !b.welcomed(says(signer("a"), "ana")) || b.welcomed(says(signer("b"), "ana")) {
			t.Fatal("the first key")
		}
		<-time.After(11 * time.Second)
		p.now(document("a", "b"))
		if !b.welcomed(says(signer("b"), "ana")) {
			t.Error("a new key is not looked for")
		}
		p.now(document("b"))
		<-time.After(60 * time.Second)
		if b.welcomed(says(signer("a"), "ana")) || !b.welcomed(says(signer("b"), "ana")) {
			t.Error("a key that was withdrawn is still in force after a minute")
		}
		p.now(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", 500) })
		<-time.After(10 * time.Minute)
		if !b.welcomed(says(signer("b"), "ana")) {
			t.Error("while the keys cannot be fetched, those from before do not stay")
		}
		if r := recv(t, log.found, "a word in the log"); r.Level < slog.LevelWarn {
			t.Error(r)
		}
		if len(log.found) > 0 {
			t.Errorf("it was logged again %d times", len(log.found))
		}
		p.now(document("c"))
		<-time.After(60 * time.Second)
		if !b.welcomed(says(signer("c"), "ana")) || b.welcomed(says(signer("b"), "ana")) {
			t.Error("it did not heal")
		}
	})
}

func TestOpenJWKSRefuses(t *testing.T) {
	for address, why := range map[string]string{
		"":                                 "of the form https://",
		"/jwks.json":                       "of the form https://",
		"https:app":                        "of the form https://",
		"ftp://app.example.com/x":          "must be https://",
		"http://app.example.com/jwks.json": "must begin with https://",
		"http://127.0.0.1.example.com/":    "must begin with https://",
		"http://0.0.0.0/":                  "must begin with https://",
	} {
		if _, err := server.OpenJWKS(t.Context(), address, nil, nil); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", address, err)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		why    string
	}{
		"a page":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "no JWKS document"},
		"no keys":   {document(), "no public key"},
		"a secret":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[{"kty":"oct","k":"AAAA"}]}`) }, "is a secret"},
		"not found": {http.NotFound, "the status 404"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1/", http.StatusFound)
		}, "redirect"},
		"without end": {func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, "more than 65536 bytes"},
		"never": {hangs, "deadline"},
		"slowly": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte(" "))
				w.(http.Flusher).Flush()
				<-time.After(time.Second)
			}
		}, "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := publish(c.answer)
				defer p.close()
				begun := time.Now()
				_, err := server.OpenJWKS(t.Context(), "https://u:hush@app.example.com/jwks.json", p.client(), slog.New(slog.DiscardHandler))
				if err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "hush") {
					t.Errorf("%v, want %q", err, c.why)
				}
				if d := time.Since(begun); d > 5*time.Second {
					t.Errorf("it took %v", d)
				}
				if name == "never" && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		})
	}
}
