package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/internal/demo/articles"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store/sqlite"
	"github.com/editlock/editlock/web"
	"github.com/editlock/editlock/wire"
)

// factsPath is where the referee asks the editlock server what it holds.
const factsPath = "/demo/facts"

const (
	issuer   = "editlock demo"
	audience = "editlock"
)

// editlockChild is the editlock server, together with the application that it guards.
func editlockChild(ctx context.Context, dir string, ttl time.Duration) error {
	secret, err := keep(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	key, err := wire.NewKey("demo", secret)
	if err != nil {
		return err
	}
	lockSecret, err := key.Derive("lock tokens")
	if err != nil {
		return err
	}
	lockKey, err := wire.NewKey("demo", lockSecret)
	if err != nil {
		return err
	}
	st, err := sqlite.Open(filepath.Join(dir, locksFile), sqlite.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	m, err := editlock.Open(ctx, st, editlock.Config{TTL: ttl})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	locks, err := server.New(m, server.Options{
		Access:  server.Access{Keys: wire.Keys{key}, Issuer: issuer, Audience: audience},
		LockKey: lockKey,
	})
	if err != nil {
		return err
	}
	table, err := articles.OpenTable(ctx, filepath.Join(dir, articlesFile))
	if err != nil {
		return err
	}
	defer func() { _ = table.Close() }()
	if err := table.Seed(ctx); err != nil {
		return err
	}
	look, err := newLookout(ctx, m)
	if err != nil {
		return err
	}
	defer look.conn.Disconnect()
	api := articles.NewAPI(table, articles.Locks{Verify: articles.Verifier(wire.Keys{lockKey}), Holder: look.holder, Changed: m.Changed}, nil)

	mux := http.NewServeMux()
	mux.Handle("/editlock/", http.StripPrefix("/editlock", locks))
	mux.Handle("GET /editlock/editlock.js", web.Handler())
	mux.Handle("GET /editlock/index.js", web.Handler())
	mux.HandleFunc("GET /editlock/token", mint(key))
	mux.Handle("/api/", api)
	mux.Handle("/articles", api.Pages())
	mux.Handle("/articles/", api.Pages())
	mux.Handle("GET /demo/", assets())
	mux.HandleFunc("GET "+factsPath, look.serve)
	return serve(ctx, mux)
}

// keep returns the secret in a file, which it makes at first: a server that is started again must know its tokens.
func keep(path string) ([]byte, error) {
	secret, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	secret = make([]byte, 32)
	rand.Read(secret)
	return secret, os.WriteFile(path, secret, 0o600)
}

// mint makes access tokens for whoever ?as= says. Only a demo does this: an application takes the user from its log-in.
func mint(key *wire.Key) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		as := articles.As(r.URL.Query())
		token, err := key.Sign("JWT", map[string]any{
			"sub": as, "name": as, "iss": issuer, "aud": audience, "exp": time.Now().Add(15 * time.Minute).Unix(),
			"rights": []string{"edit:article/*"},
		})
		if err != nil {
			http.Error(w, "no token can be made: "+err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"token": token})
	}
}

// A lookout is a session that only watches: for the name of the holder in a refusal, and for the referee.
type lookout struct {
	m    *editlock.Manager
	conn *editlock.Conn

	mu      sync.Mutex
	cursor  string   // in the history
	changes []change // the last ones
	fence   int64    // of the last grant
}

func newLookout(ctx context.Context, m *editlock.Manager) (*lookout, error) {
	conn, err := m.Connect(ctx, editlock.Connect{
		User: editlock.User{ID: "demo", Name: "demo"}, Nonce: rand.Text(),
		Notify: func(editlock.Snapshot) {}, Closed: func(error) {},
	})
	if err != nil {
		return nil, err
	}
	return &lookout{m: m, conn: conn}, nil
}

func (l *lookout) holder(ctx context.Context, resource string) *editlock.Holder {
	l.conn.Heard()
	s, err := l.conn.Watch(ctx, resource, 0)
	if err != nil || s.State != editlock.Held {
		return nil
	}
	return s.Holder
}

func (l *lookout) serve(w http.ResponseWriter, r *http.Request) {
	f, err := l.facts(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(f)
}

// facts are who holds the demo's article, how many wait, and what the history says.
func (l *lookout) facts(ctx context.Context) (facts, error) {
	l.conn.Heard() // the watching session itself must not end by silence
	resource := articles.Resource(article)
	s, err := l.conn.Watch(ctx, resource, 0)
	if err != nil {
		return facts{}, err
	}
	f := facts{Waiting: make([]string, s.Waiting), Lapsed: s.State == editlock.Lapsed}
	l.mu.Lock()
	defer l.mu.Unlock()
	for more := true; more; {
		entries, next, err := l.m.History(ctx, resource, l.cursor, 200)
		if err != nil {
			return facts{}, err
		}
		for _, e := range entries {
			l.changes = append(l.changes, changeOf(e))
			if e.Granted != nil {
				l.fence = e.Revision
			}
		}
		l.cursor, more = next, len(entries) == 200
	}
	l.changes = l.changes[max(0, len(l.changes)-20):]
	f.Changes = slices.Clone(l.changes)
	if s.Holder != nil {
		f.Holder, f.Fence = s.Holder.User.Name, l.fence
	}
	return f, nil
}

func changeOf(e editlock.HistoryEntry) change {
	c := change{At: e.At}
	if e.Ended != nil {
		c.Ended, c.Reason, c.Was = e.Ended.Fence, string(e.Ended.Reason), e.Ended.Name
	}
	if e.Granted != nil {
		c.Granted, c.Now = e.Revision, e.Granted.Name
	}
	return c
}
