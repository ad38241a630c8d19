package usual_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/examples/usual"
)

// What is tested here is that the design works when all goes well, and fails in the ways that the README names.

type site struct {
	t    *testing.T
	url  string
	path string
}

func open(t *testing.T, o usual.Options) site {
	t.Helper()
	path := filepath.Join(t.TempDir(), "usual.db")
	s, err := usual.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(42, "Title", "Text"); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.Close()
		_ = s.Close()
	})
	return site{t, web.URL, path}
}

// page is the WebSocket of somebody's page.
type page struct {
	gws.BuiltinEventHandler
	socket *gws.Conn
	heard  chan string
	closed chan struct{}
}

func (p *page) OnMessage(_ *gws.Conn, m *gws.Message) { p.heard <- m.Data.String() }
func (p *page) OnClose(*gws.Conn, error)              { close(p.closed) }

// visit opens the page of a user who finds that holder has the article.
func (s site) visit(user, holder string) *page {
	s.t.Helper()
	p := &page{heard: make(chan string, 100), closed: make(chan struct{})}
	socket, _, err := gws.NewClient(p, &gws.ClientOption{Addr: "ws" + strings.TrimPrefix(s.url, "http") + "/ws?user=" + user})
	if err != nil {
		s.t.Fatal(err)
	}
	p.socket = socket
	go socket.ReadLoop()
	s.t.Cleanup(func() { _ = socket.WriteClose(1000, nil) })
	p.send(s.t, `{"action":"subscribe_instance","pk":42}`)
	p.wait(s.t, func(m message) bool { return m.Action == "subscribe_instance" })
	p.isHolder(s.t, holder) // everybody is told of the visit, the visitor too
	return p
}

type message struct {
	Action   string
	Locked   bool
	LockedBy string `json:"locked_by"`
}

func (p *page) send(t *testing.T, text string) {
	t.Helper()
	if err := p.socket.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func (p *page) wait(t *testing.T, want func(message) bool) message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		select {
		case text := <-p.heard:
			var m message
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatal(err)
			}
			if want(m) {
				return m
			}
		case <-ctx.Done():
			t.Fatal("the page did not hear of it")
		}
	}
}

// leaves closes the page once it has heard so many updates that say that user holds. A page that is closed while an update
// is on its way to it may leave the article locked: the consumer dies of the failed write.
func (p *page) leaves(t *testing.T, user string, updates int) {
	t.Helper()
	for range updates {
		p.isHolder(t, user)
	}
	_ = p.socket.WriteClose(1000, nil)
}

func (p *page) isHolder(t *testing.T, user string) {
	t.Helper()
	p.wait(t, func(m message) bool { return m.Action == "update" && m.LockedBy == user })
}

func (s site) lockedBy() string {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+s.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var by sql.NullString
	if err := db.QueryRow(`SELECT locked_by FROM articles WHERE id = 42`).Scan(&by); err != nil {
		s.t.Fatal(err)
	}
	return by.String
}

func (s site) save(user, body string) int {
	s.t.Helper()
	q, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.url+"/articles/42?user="+user, strings.NewReader(fmt.Sprintf(`{"body":%q}`, body)))
	if err != nil {
		s.t.Fatal(err)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, a.Body)
	_ = a.Body.Close()
	return a.StatusCode
}

func TestHandOverAtDisconnect(t *testing.T) {
	s := open(t, usual.Options{})
	ana := s.visit("Ana", "Ana")
	if status := s.save("Ana", "Ana's"); status != http.StatusOK {
		t.Fatal(status)
	}
	ben := s.visit("Ben", "Ana")
	if status := s.save("Ben", "Ben's"); status != http.StatusLocked {
		t.Fatal(status)
	}
	ana.leaves(t, "Ana", 2) // of her save and of Ben's visit
	ben.isHolder(t, "Ben")
	if status := s.save("Ben", "Ben's"); status != http.StatusOK {
		t.Fatal(status)
	}
}

func TestMalformedMessageLeavesTheRowLocked(t *testing.T) {
	s := open(t, usual.Options{})
	ana := s.visit("Ana", "Ana")
	ana.send(t, "{ this is no message")
	<-ana.closed
	ben := s.visit("Ben", "Ana")
	if s.lockedBy() != "Ana" {
		t.Fatal("the row was cleared")
	}
	// Only Ana's own return, and orderly leave, clears it.
	s.visit("Ana", "Ana").leaves(t, "Ana", 0)
	ben.isHolder(t, "Ben")
}

func TestClosingOneOfTwoTabsTakesTheArticleFromTheOther(t *testing.T) {
	s := open(t, usual.Options{})
	first, second := s.visit("Ana", "Ana"), s.visit("Ana", "Ana")
	ben := s.visit("Ben", "Ana")
	second.leaves(t, "Ana", 1)
	ben.isHolder(t, "Ben")
	first.isHolder(t, "Ben") // it is still open
	if status := s.save("Ana", "Ana's"); status != http.StatusLocked {
		t.Fatal(status)
	}
}

func TestLateSaveOverwritesOnceItsUserHoldsAgain(t *testing.T) {
	s := open(t, usual.Options{})
	ana := s.visit("Ana", "Ana")
	ben := s.visit("Ben", "Ana")
	ana.leaves(t, "Ana", 1)
	ben.isHolder(t, "Ben")
	if status := s.save("Ben", "Ben's"); status != http.StatusOK {
		t.Fatal(status)
	}
	ana = s.visit("Ana", "Ben")
	ben.leaves(t, "Ben", 2) // of his save and of Ana's visit
	ana.isHolder(t, "Ana")
	if status := s.save("Ana", "typed before Ben's was there"); status != http.StatusOK {
		t.Fatal(status)
	}
}

func TestSilentConnectionIsFoundByItsPing(t *testing.T) {
	s := open(t, usual.Options{Ping: 100 * time.Millisecond, Timeout: 3 * time.Second})
	deaf := &page{heard: make(chan string, 100), closed: make(chan struct{})}
	socket, _, err := gws.NewClient(deaf, &gws.ClientOption{Addr: "ws" + strings.TrimPrefix(s.url, "http") + "/ws?user=Ana"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.NetConn().Close() })
	deaf.socket = socket // and nobody reads from it: no ping is ever answered
	deaf.send(t, `{"action":"subscribe_instance","pk":42}`)
	for s.lockedBy() != "Ana" {
		if t.Context().Err() != nil {
			t.Fatal("Ana did not get it")
		}
	}
	ben := s.visit("Ben", "Ana")
	ben.isHolder(t, "Ben")
}
