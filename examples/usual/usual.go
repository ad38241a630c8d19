// Package usual is the edit lock that most teams build first: a locked_by column and a table of waiting
// users, changed when a WebSocket connects and disconnects. It is here to be compared with editlock.
// Nothing in it is broken on purpose: each weakness is named where it stands, and comes with the design.
package usual

import (
	"database/sql"
	_ "embed"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/lxzan/gws"
	_ "modernc.org/sqlite" // the engine behind sql.Open("sqlite", …)
)

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Parse(pageHTML))

// Options of a Server. The zero value is what common ASGI servers do.
type Options struct {
	Ping    time.Duration // a ping is sent so often; 0: 20 s
	Timeout time.Duration // and has to be answered within this; 0: 30 s
	Head    template.HTML // put into the head of the page
}

// Server is an http.Handler with the page, the articles and the socket. Its methods may be called from several goroutines.
type Server struct {
	http.Handler
	db            *sql.DB
	ping, timeout time.Duration
	head          template.HTML
	mu            sync.Mutex
	consumers     map[*consumer]bool
}

// Open opens the database file at path, makes its tables if need be, and returns the server on it.
func Open(path string, o Options) (*Server, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	if _, err := db.Exec(schema); err != nil {
		_ = db.Close()
		return nil, err
	}
	s := &Server{db: db, ping: o.Ping, timeout: o.Timeout, head: o.Head, consumers: map[*consumer]bool{}}
	if s.ping == 0 {
		s.ping = 20 * time.Second
	}
	if s.timeout == 0 {
		s.timeout = 30 * time.Second
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{id}", s.servePage)
	mux.HandleFunc("GET /articles/{id}", s.get)
	mux.HandleFunc("PUT /articles/{id}", s.put)
	mux.HandleFunc("GET /ws", s.serveSocket)
	s.Handler = mux
	return s, nil
}

// Add makes an article, unless there is one with that id.
func (s *Server) Add(id int64, title, body string) error {
	_, err := s.db.Exec(`INSERT OR IGNORE INTO articles (id, title, body) VALUES (?, ?, ?)`, id, title, body)
	return err
}

// Close closes the database.
func (s *Server) Close() error { return s.db.Close() }

type article struct {
	ID       int64   `json:"id"`
	Title    string  `json:"title"`
	Body     string  `json:"body"`
	Version  int64   `json:"version"`
	LockedBy *string `json:"locked_by"`
}

func (s *Server) load(id int64) (article, error) {
	a := article{ID: id}
	err := s.db.QueryRow(`SELECT title, body, version, locked_by FROM articles WHERE id = ?`, id).
		Scan(&a.Title, &a.Body, &a.Version, &a.LockedBy)
	return a, err
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	a, err := s.load(number(r))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	answer(w, a)
}

// put saves an article.
//
// Weakness: the check asks who holds now, not whether this text was loaded under that hold. A save that was
// held up on its way, or sent by an older tab, passes as soon as its user holds again, and overwrites.
// Weakness: check and write are two statements.
func (s *Server) put(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Body    string `json:"body"`
		BasedOn int64  `json:"based_on"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, user := number(r), r.URL.Query().Get("user")
	a, err := s.load(id)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	if a.LockedBy == nil || *a.LockedBy != user {
		http.Error(w, "locked by somebody else", http.StatusLocked)
		return
	}
	_, err = s.db.Exec(`UPDATE articles SET body = ?, version = version + 1, based_on = ? WHERE id = ?`, in.Body, in.BasedOn, id)
	if err == nil {
		err = s.notify(id)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.get(w, r)
}

func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	a, err := s.load(number(r))
	if err != nil {
		http.Error(w, "no such article", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	data := struct {
		Article article
		User    string
		Head    template.HTML
	}{a, r.URL.Query().Get("as"), s.head}
	if err := page.Execute(w, data); err != nil {
		slog.Error("page", "error", err)
	}
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	socket, err := gws.NewUpgrader(handler{s}, &gws.ServerOption{}).Upgrade(w, r)
	if err != nil {
		return
	}
	c := &consumer{
		server: s, socket: socket, user: r.URL.Query().Get("user"),
		events: make(chan event, 64), over: make(chan struct{}),
	}
	socket.Session().Store("consumer", c)
	s.mu.Lock()
	s.consumers[c] = true
	s.mu.Unlock()
	go s.pings(c)
	go func() {
		defer close(c.over)
		if err := c.run(); err != nil {
			slog.Error("consumer died", "user", c.user, "error", err)
			_ = socket.WriteClose(1011, nil)
		}
	}()
	go socket.ReadLoop()
}

func (s *Server) pings(c *consumer) {
	tick := time.NewTicker(s.ping)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = c.socket.WritePing(nil)
		case <-c.over:
			return
		}
	}
}

func (s *Server) remove(c *consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.consumers, c)
}

// notify tells every socket who holds the article now.
//
// Weakness: a page that never gets it (its network is gone) is the one that most needs it.
func (s *Server) notify(id int64) error {
	a, err := s.load(id)
	if err != nil {
		return err
	}
	data, err := json.Marshal(map[string]any{"action": "update", "pk": id, "locked_by": a.LockedBy, "version": a.Version})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.consumers {
		c.put(event{"update", data})
	}
	return nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func number(r *http.Request) int64 {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return -1
	}
	return id
}
