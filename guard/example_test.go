package guard_test

import (
	"database/sql"
	"log"
	"net/http"
	"os"

	"github.com/editlock/editlock/guard"
	"github.com/editlock/editlock/wire"
)

// A save that only the holder of the lock may make, and that a later grant refuses even while it is under way.
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
	save := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lock, _ := guard.FromContext(r.Context())
		done, err := db.ExecContext(r.Context(),
			"UPDATE article SET text = $1, fence = $2 WHERE id = $3 AND fence <= $2", r.FormValue("text"), lock.Fence, r.PathValue("id"))
		if err != nil {
			http.Error(w, "not saved", http.StatusInternalServerError)
			return
		}
		if n, _ := done.RowsAffected(); n == 0 {
			http.Error(w, "somebody else has it by now", http.StatusConflict)
		}
	})
	locked := verifier.Middleware(guard.Options{
		Resource: func(r *http.Request) string { return "article/" + r.PathValue("id") },
	})
	http.Handle("PUT /articles/{id}", locked(save))
}
