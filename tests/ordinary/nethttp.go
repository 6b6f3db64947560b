// A client and a receiver on net/http, as a tutorial would write them, and the driver of both.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

type object = map[string]any

// --- The client

type answer struct {
	StatusCode  int    `json:"status_code"`
	Description string `json:"description"`
	RequestID   string `json:"request_id"`
}

type invocation struct {
	Command  string            `json:"command"`
	BaseURL  string            `json:"base_url"`
	Key      string            `json:"consumer_key"`
	Secret   string            `json:"consumer_secret"`
	TimeoutS float64           `json:"timeout_s"`
	Params   map[string]string `json:"params"`
}

func call(asked invocation) (*answer, error) {
	method, body := "GET", []byte(nil)
	if asked.Command != "account-details" {
		method = "POST"
		body, _ = json.Marshal(asked.Params)
	}
	request, err := http.NewRequest(method, asked.BaseURL+"/"+asked.Command, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth(asked.Key, asked.Secret)
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: time.Duration(asked.TimeoutS * float64(time.Second))}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var told answer
	if err := json.NewDecoder(response.Body).Decode(&told); err != nil {
		return nil, fmt.Errorf("HTTP %d: %w", response.StatusCode, err)
	}
	if told.RequestID == "" {
		return nil, fmt.Errorf("HTTP %d without a request_id", response.StatusCode)
	}
	return &told, nil
}

func invoke(asked invocation) object {
	told, err := call(asked)
	if err != nil {
		kind := "network"
		if strings.HasPrefix(err.Error(), "HTTP ") {
			kind = "protocol"
		}
		return object{"outcome": "error", "error": kind, "description": err.Error()}
	}
	out := object{"outcome": "accepted", "status_code": told.StatusCode, "description": told.Description, "request_id": told.RequestID}
	if told.StatusCode != 200 {
		out["outcome"], out["error"] = "error", "http"
	}
	return out
}

// --- The receiver

type notification struct {
	RequestID  string `json:"request_id"`
	ResultCode string `json:"result_code"`
	ResultDesc string `json:"result_desc"`
}

var mutex sync.Mutex
var results = map[string]notification{}

func hook(response http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		http.Error(response, "POST only", http.StatusMethodNotAllowed)
		return
	}
	var note notification
	err := json.NewDecoder(request.Body).Decode(&note)
	if err != nil || note.RequestID == "" || note.ResultCode == "" || note.ResultDesc == "" {
		http.Error(response, "not a notification", http.StatusBadRequest)
		return
	}
	mutex.Lock()
	defer mutex.Unlock()
	if _, known := results[note.RequestID]; !known {
		results[note.RequestID] = note
	}
	response.WriteHeader(http.StatusNoContent)
}

func result(requestID string) object {
	mutex.Lock()
	defer mutex.Unlock()
	note, known := results[requestID]
	if !known {
		return object{"state": "pending"}
	}
	state := "failed"
	if note.ResultCode == "200" {
		state = "succeeded"
	}
	return object{"state": state, "result_code": note.ResultCode, "result_desc": note.ResultDesc, "applied": 1}
}

// --- The driver

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	http.HandleFunc("/hooks/", hook)
	go http.Serve(listener, nil)
	urls := object{}
	for _, product := range []string{"sms", "airtime", "mpesa-online", "mpesa-wallet"} {
		urls[product] = fmt.Sprintf("http://%s/hooks/%s?token=g0", listener.Addr(), product)
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var message struct {
			Cmd       string `json:"cmd"`
			ID        string `json:"id"`
			RequestID string `json:"request_id"`
			invocation
		}
		json.Unmarshal(line, &message)
		var out object
		switch message.Cmd {
		case "stop":
			return
		case "hello":
			out = object{
				"protocol":       1,
				"implementation": object{"name": "net/http", "language": "go"},
				"commands":       []string{"sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details"},
				"features":       []string{"callback", "results"},
				"callback_urls":  urls,
			}
		case "invoke":
			out = invoke(message.invocation)
		default:
			out = result(message.RequestID)
		}
		out["id"] = message.ID
		written, _ := json.Marshal(out)
		fmt.Println(string(written))
	}
}
