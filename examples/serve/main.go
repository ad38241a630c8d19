// Command serve is a whole application with editlock inside: a page with a form, who may have an access token, the
// locks and their script in one process, and the check at the save. Run it and open it in two windows:
//
//	go run ./examples/serve        # http://localhost:8080/?user=Ana and http://localhost:8080/?user=Ben
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/guard"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store/sqlite"
	"github.com/editlock/editlock/web"
	"github.com/editlock/editlock/wire"
)

const resource = "article/42"

// article stands for a table of a database.
type article struct {
	mu      sync.Mutex
	text    string
	version int
	fence   int64 // of the latest grant that it has seen
}

// app is the application: its data, and the key of its access tokens.
type app struct {
	article article
	access  *wire.Key
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr string) (err error) {
	// In earnest the keys come from files that `editlock key --out FILE` made (os.ReadFile, then wire.ParseKey), and the
	// data file is one that stays: then a restart costs nobody the lock.
	dir, err := os.MkdirTemp("", "editlock-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	access, err1 := wire.ParseKey("", []byte(rand.Text()+rand.Text()))
	signing, err2 := wire.ParseKey("", []byte(rand.Text()+rand.Text()))
	verifier, err3 := guard.NewVerifier(signing)
	st, err4 := sqlite.Open(filepath.Join(dir, "locks.db"), sqlite.Options{})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	m, err := editlock.Open(ctx, st, editlock.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	locks, err := server.New(m, server.Options{
		Access:  server.Access{Keys: wire.Keys{access}, Issuer: "app", Audience: "editlock"},
		LockKey: signing,
	})
	if err != nil {
		return err
	}
	a := &app{article: article{text: "Once upon a time", version: 1}, access: access}
	// Who may save is looked at before the save: the element puts the proof into the form, and sends it with the load that
	// refreshes a new holder. With the Checker, whoever was let in since by a decision is known at once, and a refusal names
	// the holder.
	locked := verifier.Middleware(guard.Options{
		Resource: func(*http.Request) string { return resource }, User: user, Checker: m,
	})

	mux := http.NewServeMux()
	mux.Handle("/editlock/", http.StripPrefix("/editlock", locks)) // the locks
	mux.Handle("GET /static/editlock.js", web.Handler())           // and, apart from them, the script
	mux.HandleFunc("GET /lock-token", a.token)
	mux.Handle("GET /{$}", locked(http.HandlerFunc(a.page)))
	mux.Handle("POST /{$}", locked(http.HandlerFunc(a.save)))
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	pages := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- pages.Serve(listener) }()
	url := fmt.Sprintf("http://localhost:%d/?user=", listener.Addr().(*net.TCPAddr).Port)
	log.Printf("open %sAna and %sBen", url, url)
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	// With a process that follows this one at once, locks.Drain comes before.
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(err, locks.Close(end), pages.Shutdown(end))
}

// user stands for the session of whoever is logged in. An application that believes an address is open to everybody.
func user(r *http.Request) string {
	if name := r.URL.Query().Get("user"); name != "" {
		return name
	}
	return "Ana"
}

// token gives whoever is logged in an access token: the pages fetch it, and again before it ends.
func (a *app) token(w http.ResponseWriter, r *http.Request) {
	token, err := a.access.Sign("JWT", map[string]any{
		"iss": "app", "aud": "editlock", "sub": user(r), "name": user(r),
		"exp": time.Now().Add(time.Hour).Unix(), "rights": []string{"edit:article/*"},
	})
	if err != nil {
		http.Error(w, "no token", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprint(w, token)
}

// page shows the form: to anybody, and, with the proof, to a new holder.
func (a *app) page(w http.ResponseWriter, r *http.Request) {
	lock, holder := guard.FromContext(r.Context())
	text, version, ok := a.article.read(lock.Fence, holder)
	if !ok {
		http.Error(w, "Not loaded: somebody was let in since.", http.StatusConflict)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	_ = page.Execute(w, map[string]any{"User": user(r), "Resource": resource, "Text": text, "Version": version})
}

// save takes the text of whoever holds the lock.
func (a *app) save(w http.ResponseWriter, r *http.Request) {
	lock, _ := guard.FromContext(r.Context())
	if !a.article.write(r.FormValue("text"), lock.Fence) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusConflict) // the element has kept what was typed, and offers it where it is asked for
		fmt.Fprintf(w, `<!doctype html><p>Not saved: somebody was let in since. <a href="/?user=%s">Back to the form, and to your text</a>`,
			template.URLQueryEscaper(user(r)))
		return
	}
	http.Redirect(w, r, "/?user="+template.URLQueryEscaper(user(r)), http.StatusSeeOther)
}

// read is, in one transaction, for a holder UPDATE … SET fence = $2 WHERE id = $1 AND fence <= $2, and then SELECT: from now on
// no save of an earlier holder comes in behind what this one is shown.
func (t *article) read(fence int64, holder bool) (text string, version int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if holder && fence < t.fence {
		return "", 0, false
	}
	if holder {
		t.fence = fence
	}
	return t.text, t.version, true
}

// write is UPDATE … SET text = $3, fence = $2 WHERE id = $1 AND fence <= $2.
func (t *article) write(text string, fence int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if fence < t.fence {
		return false
	}
	t.text, t.fence = text, fence
	t.version++
	return true
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Resource}}</title>
<style>edit-lock:not(:defined) { visibility: hidden }</style>
<script type="module" src="/static/editlock.js"></script>
<h1>{{.Resource}}, as {{.User}}</h1>
<edit-lock resource="{{.Resource}}" auth-url="/lock-token?user={{.User}}" version="{{.Version}}">
<form method="post">
  <p><textarea name="text" rows="10" cols="60">{{.Text}}</textarea></p>
  <button>Save</button> <button data-edit-lock-done>Save and close</button>
</form>
</edit-lock>
</html>`))
