package guard_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/editlock/editlock/guard"
	"github.com/editlock/editlock/wire"
)

// A save that only the holder of the lock may make, and that is refused, even while it is under way, from the moment that the
// next holder has loaded the text.
func ExampleVerifier_Middleware() {
	var db *sql.DB
	text, err := os.ReadFile("editlock.pub") // the public half of the server's key, or its secret
	if err != nil {
		log.Fatal(err)
	}
	key, err := wire.ParseKey("", text)
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := guard.NewVerifier(key)
	if err != nil {
		log.Fatal(err)
	}
	load := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := loadArticle(r.Context(), db, r.PathValue("id"))
		answer(w, text, err)
	})
	save := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lock, _ := guard.FromContext(r.Context())
		done, err := db.ExecContext(r.Context(),
			"UPDATE article SET text = $1, fence = $2 WHERE id = $3 AND fence <= $2", r.FormValue("text"), lock.Fence, r.PathValue("id"))
		if err == nil {
			err = changed(done)
		}
		answer(w, "saved", err)
	})
	locked := verifier.Middleware(guard.Options{
		Resource: func(r *http.Request) string { return "article/" + r.PathValue("id") },
	})
	http.Handle("GET /articles/{id}", locked(load)) // anybody may read; the load of a new holder carries the token
	http.Handle("PUT /articles/{id}", locked(save))
}

var errLater = errors.New("somebody was let in since")

// loadArticle reads an article. For a new holder it first raises the row's fence, so that no save of an earlier one comes in
// behind the text that is shown.
func loadArticle(ctx context.Context, db *sql.DB, id string) (text string, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit
	var raised error
	if lock, ok := guard.FromContext(ctx); ok {
		done, err := tx.ExecContext(ctx, "UPDATE article SET fence = $1 WHERE id = $2 AND fence <= $1", lock.Fence, id)
		if err != nil {
			return "", err
		}
		raised = changed(done)
	}
	if err := tx.QueryRowContext(ctx, "SELECT text FROM article WHERE id = $1", id).Scan(&text); err != nil {
		return "", err // sql.ErrNoRows: there is no such article
	}
	if raised != nil {
		return "", raised
	}
	return text, tx.Commit() // before anybody sees it
}

// changed tells an update that asked for the fence and found a later one.
func changed(done sql.Result) error {
	n, err := done.RowsAffected()
	if err == nil && n == 0 {
		err = errLater
	}
	return err
}

func answer(w http.ResponseWriter, text string, err error) {
	switch {
	case errors.Is(err, errLater):
		http.Error(w, errLater.Error(), http.StatusConflict)
	case errors.Is(err, sql.ErrNoRows):
		http.Error(w, "no such article", http.StatusNotFound)
	case err != nil:
		http.Error(w, "it cannot be reached now", http.StatusServiceUnavailable)
	default:
		fmt.Fprint(w, text)
	}
}
