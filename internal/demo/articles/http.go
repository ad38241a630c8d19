package articles

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/editlock/editlock"
)

const (
	maxBody  = 64 << 10 // bytes of a request
	maxTitle = 200      // characters
)

// Proof is what a lock token shows: that a user was granted a resource with a fence, and that the token is still good.
type Proof struct {
	Resource string
	User     string
	Fence    int64
}

// ErrExpired is returned by Locks.Verify for a lock token that was good once.
var ErrExpired = errors.New("articles: the lock token has expired")

// Locks is what the endpoint needs from editlock.
type Locks struct {
	// Verify checks a lock token. It returns ErrExpired, with the proof, for one that is over in time.
	Verify func(token string) (Proof, error)
	// Holder returns who holds a resource now, or nil. It is for the text of a refusal only: nothing is decided by it.
	Holder func(ctx context.Context, resource string) *editlock.Holder
	// Changed tells waiters and watchers that a resource has a new version.
	Changed func(ctx context.Context, resource, version string) error
}

// API is the REST endpoint, as an http.Handler:
//
//	GET /api/articles
//	GET /api/articles/{id}   with a Lock-Token: the load of a new holder, which shuts out the saves of earlier ones
//	PUT /api/articles/{id}   {"title", "body", "version"}, with a Lock-Token
type API struct {
	http.Handler
	table *Table
	locks Locks
	log   *slog.Logger
}

// NewAPI returns the endpoint for a table. log may be nil.
func NewAPI(table *Table, locks Locks, log *slog.Logger) *API {
	if log == nil {
		log = slog.Default()
	}
	a := &API{table: table, locks: locks, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/articles", a.list)
	mux.HandleFunc("GET /api/articles/{id}", a.get)
	mux.HandleFunc("PUT /api/articles/{id}", a.put)
	a.Handler = mux
	return a
}

// Resource is the name of an article's lock.
func Resource(id int64) string { return fmt.Sprintf("article/%d", id) }

func (a *API) list(w http.ResponseWriter, r *http.Request) {
	all, err := a.table.List(r.Context())
	if err != nil {
		a.fail(w, r, 0, err)
		return
	}
	answer(w, http.StatusOK, "application/json", map[string]any{"articles": all})
}

func (a *API) get(w http.ResponseWriter, r *http.Request) {
	id, ok := number(w, r)
	if !ok {
		return
	}
	if r.Header.Get("Lock-Token") == "" {
		article, err := a.table.Load(r.Context(), id)
		a.reply(w, r, article, err)
		return
	}
	proof, ok := a.proof(w, r, id)
	if !ok {
		return
	}
	article, err := a.table.LoadFor(r.Context(), id, proof.Fence)
	a.reply(w, r, article, err)
}

func (a *API) put(w http.ResponseWriter, r *http.Request) {
	id, ok := number(w, r)
	if !ok {
		return
	}
	proof, ok := a.proof(w, r, id)
	if !ok {
		return
	}
	var in struct {
		Title   string `json:"title"`
		Body    string `json:"body"`
		Version int64  `json:"version"` // that the author had loaded
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			problem(w, http.StatusRequestEntityTooLarge, "too_large", "An article may have 64 KiB. Shorten it; nothing was saved.", nil)
			return
		}
		problem(w, http.StatusBadRequest, "bad_request", `The body must be {"title": …, "body": …, "version": …}: `+err.Error()+".", nil)
		return
	}
	if in.Title = strings.TrimSpace(in.Title); in.Title == "" || utf8.RuneCountInString(in.Title) > maxTitle {
		problem(w, http.StatusBadRequest, "bad_request", "An article needs a title of 1 to 200 characters. Nothing was saved.", nil)
		return
	}
	article := Article{ID: id, Title: in.Title, Body: in.Body, SavedBy: proof.User}
	saved, err := a.table.Save(r.Context(), article, proof.Fence, in.Version)
	if err == nil {
		// The save is done, whatever becomes of the news.
		if err := a.locks.Changed(r.Context(), Resource(id), strconv.FormatInt(saved.Version, 10)); err != nil {
			a.log.Warn("could not tell of a save", "article", id, "error", err)
		}
	}
	var stale *staleError
	if errors.As(err, &stale) {
		if err := a.table.refuse(r.Context(), id, proof.User, "stale_fence", stale.Fence, stale.Seen); err != nil {
			a.log.Warn("could not note a refused save", "article", id, "error", err)
		}
	}
	a.reply(w, r, saved, err)
}

// proof checks the lock token of a request, and answers it if it is none that counts.
func (a *API) proof(w http.ResponseWriter, r *http.Request, id int64) (Proof, bool) {
	token, resource := r.Header.Get("Lock-Token"), Resource(id)
	if token == "" {
		a.locked(w, r, resource, "This needs the lock of the article, shown in the header Lock-Token.")
		return Proof{}, false
	}
	proof, err := a.locks.Verify(token)
	switch {
	case errors.Is(err, ErrExpired) && proof.Resource == resource:
		problem(w, http.StatusConflict, "lock_expired", "The lock token is over in time: the page has lost touch. Its text is not lost; ask for the lock again and save again.",
			a.holder(r, resource))
	case err != nil:
		a.locked(w, r, resource, "The lock token is not valid.")
	case proof.Resource != resource:
		a.locked(w, r, resource, "The lock token is for another resource.")
	default:
		return proof, true
	}
	return Proof{}, false
}

// locked answers 423 with the holder.
func (a *API) locked(w http.ResponseWriter, r *http.Request, resource, why string) {
	more := a.holder(r, resource)
	if h, ok := more["holder"].(map[string]any); ok {
		why += fmt.Sprintf(" %s is editing it; wait for your turn.", h["name"])
	} else {
		why += " Nobody holds it now: open it for editing first."
	}
	problem(w, http.StatusLocked, "locked", why, more)
}

func (a *API) holder(r *http.Request, resource string) map[string]any {
	h := a.locks.Holder(r.Context(), resource)
	if h == nil {
		return map[string]any{"resource": resource}
	}
	return map[string]any{"resource": resource, "holder": map[string]any{"user": h.User.ID, "name": h.User.Name, "since": h.Since.UTC()}}
}

func (a *API) reply(w http.ResponseWriter, r *http.Request, article Article, err error) {
	if err != nil {
		a.fail(w, r, article.ID, err)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, article.Version))
	answer(w, http.StatusOK, "application/json", article)
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, id int64, err error) {
	var stale *staleError
	switch {
	case errors.Is(err, ErrNotFound):
		problem(w, http.StatusNotFound, "not_found", "There is no such article.", nil)
	case errors.As(err, &stale):
		more := a.holder(r, Resource(id))
		more["fence"], more["seen"] = stale.Fence, stale.Seen
		problem(w, http.StatusConflict, "stale_fence", "Somebody else was given this article after you. Nothing was saved, and your text is kept on your page: "+
			"compare it with the newer one.", more)
	default:
		a.log.Error("the table does not answer", "error", err)
		problem(w, http.StatusServiceUnavailable, "unavailable", "The articles cannot be reached now. Nothing was saved; try again.", nil)
	}
}

func number(w http.ResponseWriter, r *http.Request) (int64, bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		problem(w, http.StatusNotFound, "not_found", "There is no such article.", nil)
		return 0, false
	}
	return id, true
}

// problem answers as RFC 9457 says. Codes are stable, details are for people.
func problem(w http.ResponseWriter, status int, code, detail string, more map[string]any) {
	body := map[string]any{}
	for k, v := range more {
		body[k] = v
	}
	body["type"], body["title"], body["status"] = "about:blank", http.StatusText(status), status
	body["code"], body["detail"] = code, detail
	answer(w, status, "application/problem+json", body)
}

func answer(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
