// Posts as net/http does: twice with its length, then in chunks, then with Expect.
// notify BODY URL...: one line a request, its status.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ExpectContinueTimeout = 10 * time.Second
	client := &http.Client{Transport: transport}
	body := os.Args[1]
	for _, url := range os.Args[2:] {
		post(client, url, strings.NewReader(body), "")
		post(client, url, strings.NewReader(body), "")
		post(client, url, io.MultiReader(strings.NewReader(body)), "") // whose length is not known
		post(client, url, strings.NewReader(body), "100-continue")
	}
}

func post(client *http.Client, url string, body io.Reader, expect string) {
	request, err := http.NewRequest("POST", url, body)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if expect != "" {
		request.Header.Set("Expect", expect)
	}
	response, err := client.Do(request)
	if err != nil {
		panic(err)
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	fmt.Println(response.StatusCode)
}
