package articles_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/internal/demo/articles"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

// app is the endpoint on a real table and a real Manager, over HTTP.
type app struct {
	t       *testing.T
	url     string
	key     *wire.Key
	manager *editlock.Manager
	table   *articles.Table
}

func start(t *testing.T) *app {
	t.Helper()
	ctx := t.Context()
	st := mem.New()
	t.Cleanup(func() { _ = st.Close() })
	m, err := editlock.Open(ctx, st, editlock.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	table, err := articles.OpenTable(ctx, filepath.Join(t.TempDir(), "articles.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	if err := table.Seed(ctx); err != nil {
		t.Fatal(err)
	}
	a := &app{t: t, key: newKey(t), manager: m, table: table}
	watcher, err := m.Connect(ctx, editlock.Connect{
		User: editlock.User{ID: "app", Name: "app"}, Nonce: rand.Text(), Notify: func(editlock.Snapshot) {}, Closed: func(error) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	api := articles.NewAPI(table, articles.Locks{
		Verify: articles.Verifier(wire.Keys{a.key}),
		Holder: func(ctx context.Context, resource string) *editlock.Holder {
			s, err := watcher.Watch(ctx, resource, 0)
			if err != nil {
				t.Error(err)
			}
			return s.Holder
		},
		Changed: m.Changed,
	}, nil)
	mux := http.NewServeMux()
	mux.Handle("/api/", api)
	mux.Handle("/articles/", api.Pages())
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	a.url = web.URL
	return a
}

func newKey(t *testing.T) *wire.Key {
	t.Helper()
	secret := make([]byte, 32)
	rand.Read(secret)
	key, err := wire.NewKey("k", secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// hold has a user acquire an article.
func (a *app) hold(user string, id int64) editlock.Lock {
	a.t.Helper()
	s, err := a.manager.Session(a.t.Context(), editlock.User{ID: user, Name: user})
	if err != nil {
		a.t.Fatal(err)
	}
	lock, err := s.Acquire(a.t.Context(), articles.Resource(id))
	if err != nil {
		a.t.Fatal(err)
	}
	return lock
}

func (a *app) token(key *wire.Key, user string, id, fence int64, ttl time.Duration) string {
	a.t.Helper()
	now := time.Now()
	token, err := wire.SignLock(key, wire.Lock{
		User: user, Session: "s-" + user, Resource: articles.Resource(id), Fence: fence, Issued: now.Add(-time.Minute), Expires: now.Add(ttl),
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return token
}

type reply struct {
	status  int
	kind    string
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Title   string `json:"title"`
	Body    string `json:"body"`
	Version int64  `json:"version"`
	Seen    int64  `json:"seen"`
	Holder  struct {
		Name string `json:"name"`
	} `json:"holder"`
}

func (a *app) do(method, path, token, body string) reply {
	a.t.Helper()
	q, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if token != "" {
		q.Header.Set("Lock-Token", token)
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	r := reply{status: answer.StatusCode, kind: answer.Header.Get("Content-Type")}
	if strings.Contains(r.kind, "json") {
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(&r); err != nil {
			a.t.Fatalf("%s: %v", data, err)
		}
	} else {
		r.Body = string(data)
	}
	return r
}

func (a *app) save(token, body string, version int64) reply {
	a.t.Helper()
	return a.do("PUT", "/api/articles/42", token, fmt.Sprintf(`{"title":"T","body":%q,"version":%d}`, body, version))
}

func (r reply) want(t *testing.T, status int, code string) {
	t.Helper()
	if r.status != status || r.Code != code {
		t.Fatalf("got %d %q (%s), want %d %q", r.status, r.Code, r.Detail, status, code)
	}
	if code != "" && r.kind != "application/problem+json" {
		t.Fatalf("a refusal of kind %q", r.kind)
	}
}

func TestSaveWithoutLockIsRefusedWithTheHolder(t *testing.T) {
	a := start(t)
	r := a.save("", "x", 1)
	r.want(t, http.StatusLocked, "locked")
	if r.Holder.Name != "" || !strings.Contains(r.Detail, "Nobody holds it") {
		t.Fatalf("free, but: %+v", r)
	}
	lock := a.hold("Ana", 42)
	good := a.token(a.key, "Ana", 42, lock.Fence(), time.Minute)
	for name, token := range map[string]string{
		"none":             "",
		"rubbish":          "rubbish",
		"of another key":   a.token(newKey(t), "Ben", 42, lock.Fence()+1, time.Minute),
		"of another one":   a.token(a.key, "Ben", 43, lock.Fence()+1, time.Minute),
		"with a changed e": good[:len(good)-8] + "AAAAAAAA",
	} {
		r := a.save(token, "x", 1)
		if r.want(t, http.StatusLocked, "locked"); r.Holder.Name != "Ana" {
			t.Errorf("token %s: refused without the holder: %+v", name, r)
		}
	}
	if got := a.do("GET", "/api/articles/42", "", ""); got.Version != 1 {
		t.Fatalf("something was written: %+v", got)
	}
}

func TestSaveByTheHolder(t *testing.T) {
	a := start(t)
	lock := a.hold("Ana", 42)
	r := a.save(a.token(a.key, "Ana", 42, lock.Fence(), time.Minute), "new text", 1)
	if r.want(t, http.StatusOK, ""); r.Version != 2 || r.Body != "new text" {
		t.Fatalf("%+v", r)
	}
	// Those who wait are told of the version.
	s, err := a.manager.Session(t.Context(), editlock.User{ID: "Ben", Name: "Ben"})
	if err != nil {
		t.Fatal(err)
	}
	var locked *editlock.LockedError
	if _, err := s.Try(t.Context(), articles.Resource(42)); err == nil || !errors.As(err, &locked) {
		t.Fatalf("Ben got it: %v", err)
	}
	if locked.Snapshot.Version != "2" {
		t.Fatalf("the version that others hear of is %q", locked.Snapshot.Version)
	}
}

func TestExpiredTokenIsRefused(t *testing.T) {
	a := start(t)
	lock := a.hold("Ana", 42)
	r := a.save(a.token(a.key, "Ana", 42, lock.Fence(), -time.Second), "x", 1)
	r.want(t, http.StatusConflict, "lock_expired")
}

// A holder is granted, has refreshed and has written nothing yet: the late save of the one before is refused all the same.
func TestLateSaveAfterTheNextOneHasLoaded(t *testing.T) {
	for _, how := range []string{"/api/articles/42", "/articles/42?as=Ben"} {
		t.Run(how, func(t *testing.T) {
			a := start(t)
			ana := a.hold("Ana", 42)
			anaToken := a.token(a.key, "Ana", 42, ana.Fence(), time.Minute)
			a.do("GET", how, anaToken, "").want(t, http.StatusOK, "")
			if err := ana.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			ben := a.hold("Ben", 42)
			benToken := a.token(a.key, "Ben", 42, ben.Fence(), time.Minute)
			a.do("GET", how, benToken, "").want(t, http.StatusOK, "")

			r := a.save(anaToken, "Ana's late text", 1)
			r.want(t, http.StatusConflict, "stale_fence")
			if r.Holder.Name != "Ben" || r.Seen != ben.Fence() {
				t.Fatalf("refused without saying for whom: %+v", r)
			}
			// Nor can she load as if she held.
			a.do("GET", how, anaToken, "").want(t, http.StatusConflict, "stale_fence")

			r = a.save(benToken, "Ben's text", 1)
			if r.want(t, http.StatusOK, ""); r.Version != 2 || r.Body != "Ben's text" {
				t.Fatalf("%+v", r)
			}
		})
	}
}

func TestLateSaveAfterTheNextOneHasSaved(t *testing.T) {
	a := start(t)
	ana := a.hold("Ana", 42)
	anaToken := a.token(a.key, "Ana", 42, ana.Fence(), time.Minute)
	if err := ana.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	ben := a.hold("Ben", 42)
	a.save(a.token(a.key, "Ben", 42, ben.Fence(), time.Minute), "Ben's text", 1).want(t, http.StatusOK, "")
	a.save(anaToken, "Ana's", 1).want(t, http.StatusConflict, "stale_fence")
	if got := a.do("GET", "/api/articles/42", "", ""); got.Body != "Ben's text" {
		t.Fatalf("%+v", got)
	}
}

// However saves and loads of many fences mix, nothing is written behind a later fence.
func TestFencesNeverGoBack(t *testing.T) {
	a := start(t)
	var mu sync.Mutex
	highest := int64(0) // whose load has been answered
	var group sync.WaitGroup
	for i := range int64(40) {
		group.Go(func() {
			fence := 1000 + i*7%40
			token := a.token(a.key, "Ana", 42, fence, time.Minute)
			a.do("GET", "/api/articles/42", token, "")
			mu.Lock()
			before := highest
			mu.Unlock()
			r := a.save(token, fmt.Sprint(fence), 1)
			if r.status == http.StatusOK && fence < before {
				t.Errorf("fence %d was written after %d had loaded", fence, before)
			}
			if r.status == http.StatusOK {
				mu.Lock()
				highest = max(highest, fence)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if got := a.do("GET", "/api/articles/42", "", ""); got.Body != "1039" {
		t.Fatalf("the last word is not the highest fence's: %+v", got)
	}
}

func TestBadSaves(t *testing.T) {
	a := start(t)
	token := a.token(a.key, "Ana", 42, a.hold("Ana", 42).Fence(), time.Minute)
	for _, c := range []struct {
		name, path, body, code string
		status                 int
	}{
		{"no JSON", "/api/articles/42", "{", "bad_request", http.StatusBadRequest},
		{"no title", "/api/articles/42", `{"title":"  ","body":"x"}`, "bad_request", http.StatusBadRequest},
		{"long title", "/api/articles/42", `{"title":"` + strings.Repeat("ä", 201) + `"}`, "bad_request", http.StatusBadRequest},
		{"too much", "/api/articles/42", `{"title":"x","body":"` + strings.Repeat("x", 65<<10) + `"}`, "too_large", http.StatusRequestEntityTooLarge},
		{"no number", "/api/articles/x", `{}`, "not_found", http.StatusNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			a.do("PUT", c.path, token, c.body).want(t, c.status, c.code)
		})
	}
	if got := a.do("GET", "/api/articles/42", "", ""); got.Version != 1 {
		t.Fatalf("something was written: %+v", got)
	}
	a.do("GET", "/api/articles/999", "", "").want(t, http.StatusNotFound, "not_found")
}

// Faults: A13
func TestNamesAreShownAsText(t *testing.T) {
	a := start(t)
	r := a.do("GET", "/articles/42?as=%3Cscript%3Ealert(1)%3C/script%3E%22onload=x", "", "")
	if r.status != http.StatusOK || strings.Contains(r.Body, "<script>alert") || strings.Contains(r.Body, `"onload=x"`) {
		t.Fatalf("%d %s", r.status, r.Body)
	}
}
