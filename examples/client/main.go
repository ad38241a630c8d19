// Command client shows the Go client: two programs edit one record of an application, in turn, over the network. Run it with
//
//	go run ./examples/client
//
// For one command to do, the lock server and the application run here too; a program of its own has only what is in edit.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
	"github.com/editlock/editlock/guard"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	app, err := start(ctx)
	if err != nil {
		return err
	}
	defer app.stop()
	errs := make(chan error, 2)
	for _, name := range []string{"import", "review"} {
		go func() { errs <- edit(ctx, app.base, name, app.token) }()
	}
	err = errors.Join(<-errs, <-errs)
	fmt.Println("the text is:", app.text)
	return err
}

// edit adds to the article three times, each time while it holds the lock. token gets an access token from the application: a program
// of its own asks it over HTTP, as whoever it is logged in as.
func edit(ctx context.Context, base, name string, token func(name string) (string, error)) error {
	s, err := client.Open(ctx, client.Options{
		Servers: []string{base + "/editlock"},
		Token:   func(context.Context) (string, error) { return token(name) },
	})
	if err != nil {
		return err
	}
	defer s.Close()
	for range 3 {
		if err := once(ctx, s, base, name); err != nil {
			return err
		}
	}
	return nil
}

func once(ctx context.Context, s *client.Session, base, name string) error {
	held, err := s.Acquire(ctx, "article/42") // waits its turn
	if err != nil {
		return err
	}
	defer held.Release(ctx)
	lock := held.(*client.Lock)
	ctx = lock.Context() // ends when the lock cannot be trusted any more: nothing is sent then
	text, err := send(ctx, http.MethodGet, base+"/articles/42", "", lock)
	if err != nil {
		return err
	}
	_, err = send(ctx, http.MethodPut, base+"/articles/42", text+" "+name, lock)
	return err
}

// send asks the application, with the proof of the lock: the newest token, since each is good for seconds.
func send(ctx context.Context, method, url, body string, lock *client.Lock) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Lock-Token", lock.Token())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	return string(text), err
}

// application is one article, and the lock server beside it.
type application struct {
	base   string
	access *wire.Key
	stop   func()

	mu    sync.Mutex
	text  string
	fence int64 // the newest that was seen
}

func start(ctx context.Context) (*application, error) {
	access, err := newKey("access")
	if err != nil {
		return nil, err
	}
	signing, err := newKey("lock")
	if err != nil {
		return nil, err
	}
	m, err := editlock.Open(ctx, mem.New(), editlock.Config{})
	if err != nil {
		return nil, err
	}
	locks, err := server.New(m, server.Options{Access: server.Access{Keys: wire.Keys{access}, Issuer: "app", Audience: "editlock"}, LockKey: signing})
	if err != nil {
		return nil, err
	}
	verifier, err := guard.NewVerifier(signing)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	app := &application{base: "http://" + listener.Addr().String(), access: access, text: "Once"}
	mux := http.NewServeMux()
	mux.Handle("/editlock/", http.StripPrefix("/editlock", locks))
	locked := verifier.Middleware(guard.Options{Resource: func(r *http.Request) string { return "article/" + r.PathValue("id") }})
	mux.Handle("GET /articles/{id}", locked(http.HandlerFunc(app.load)))
	mux.Handle("PUT /articles/{id}", locked(http.HandlerFunc(app.save)))
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go h.Serve(listener)
	app.stop = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		locks.Close(ctx)
		h.Shutdown(ctx)
		m.Close()
	}
	return app, nil
}

func newKey(id string) (*wire.Key, error) {
	secret := make([]byte, 48)
	rand.Read(secret)
	return wire.NewKey(id, secret)
}

// token is an access token: who it is, and what that one may do.
func (a *application) token(name string) (string, error) {
	return a.access.Sign("JWT", map[string]any{
		"sub": name, "name": name, "rights": []string{"edit:article/*"}, "iss": "app", "aud": "editlock", "exp": time.Now().Add(15 * time.Minute).Unix(),
	})
}

// seen takes the fence of a request, unless a later holder was seen before. a.mu is held.
func (a *application) seen(w http.ResponseWriter, r *http.Request) bool {
	if lock, ok := guard.FromContext(r.Context()); ok && lock.Fence < a.fence {
		http.Error(w, "somebody else was let in since", http.StatusConflict)
		return false
	} else if ok {
		a.fence = lock.Fence
	}
	return true
}

func (a *application) load(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen(w, r) {
		io.WriteString(w, a.text)
	}
}

func (a *application) save(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen(w, r) {
		a.text = string(text)
	}
}
