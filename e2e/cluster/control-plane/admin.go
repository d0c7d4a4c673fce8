// The tests' own door: a small HTTP server on loopback that makes faults and tells the state.
//
//	GET  /state                 {"apiServer": bool, "images": [], "nodes": [{"name", "online", "pods": []}]}
//	POST /token                 {"namespace", "account", "seconds"} -> {"token"}: a service-account token
//	POST /faults {"fault": …}   one of
//	  stopApiServer, startApiServer
//	  certificateClock {"seconds"}   callers see a certificate as with a clock that is wrong by so much
//	  setImages {"images"}           the images that can be pulled
//	  killPod {"namespace", "pod"}   SIGKILL to its processes
//	  oomPod {"namespace", "pod"}    the same, reported as OOMKilled
//	  evictPod {"namespace", "pod"}  the node ends it for want of memory (DisruptionTarget)
//	  nodeGone {"node", "keepProcesses"}  no heartbeat, no answers; processes die, or go on unseen
//	  nodeBack {"node"}
//
// Faults that the API itself offers (eviction, deletion, quota, roles) are made there.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

type fault struct {
	Fault         string
	Seconds       int64
	Images        []string
	Namespace     string
	Pod           string
	Node          string
	KeepProcesses bool
	Account       string
}

// startAdmin listens on the port (0 for any) and returns its address.
func startAdmin(c *cluster, port int) (string, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /state", func(response http.ResponseWriter, _ *http.Request) { answer(response, c.state(), nil) })
	routes.HandleFunc("POST /faults", func(response http.ResponseWriter, request *http.Request) {
		var wanted fault
		err := json.NewDecoder(request.Body).Decode(&wanted)
		if err == nil {
			err = c.make(wanted)
		}
		answer(response, map[string]bool{"ok": true}, err)
	})
	routes.HandleFunc("POST /token", func(response http.ResponseWriter, request *http.Request) {
		var wanted fault
		token := ""
		err := json.NewDecoder(request.Body).Decode(&wanted)
		if err == nil {
			token, err = c.token(request.Context(), wanted)
		}
		answer(response, map[string]string{"token": token}, err)
	})
	go http.Serve(listener, routes)
	return "http://" + listener.Addr().String(), nil
}

func answer(response http.ResponseWriter, body any, err error) {
	response.Header().Set("content-type", "application/json")
	if err != nil {
		response.WriteHeader(http.StatusBadRequest)
		body = map[string]string{"error": err.Error()}
	}
	json.NewEncoder(response).Encode(body)
}

func (c *cluster) make(wanted fault) error {
	switch wanted.Fault {
	case "stopApiServer":
		c.server.stop()
		return nil
	case "startApiServer":
		return c.server.start()
	case "certificateClock":
		return c.server.certs.signServer(time.Duration(wanted.Seconds) * time.Second)
	case "setImages":
		c.setImages(wanted.Images)
		return nil
	case "nodeGone", "nodeBack":
		index := slices.IndexFunc(c.nodes, func(n *node) bool { return n.name == wanted.Node })
		if index < 0 {
			return fmt.Errorf("there is no node %q", wanted.Node)
		}
		if wanted.Fault == "nodeBack" {
			c.nodes[index].start()
		} else {
			c.nodes[index].stop(wanted.KeepProcesses)
		}
		return nil
	case "killPod", "oomPod", "evictPod":
		for _, n := range c.nodes {
			p := n.find(wanted.Namespace, wanted.Pod)
			if p == nil {
				continue
			}
			if wanted.Fault == "evictPod" {
				message := "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
				p.condemn("Evicted", message, &corev1.PodCondition{
					Status: corev1.ConditionTrue, Reason: corev1.PodReasonTerminationByKubelet, Message: message,
				})
			} else {
				p.crash(wanted.Fault == "oomPod")
			}
			return nil
		}
		return fmt.Errorf("no node runs a pod %s/%s", wanted.Namespace, wanted.Pod)
	}
	return fmt.Errorf("there is no fault %q", wanted.Fault)
}

// token makes a service-account token that expires in so many seconds. The API gives none under ten minutes.
func (c *cluster) token(ctx context.Context, wanted fault) (string, error) {
	account, err := c.admin.CoreV1().ServiceAccounts(wanted.Namespace).Get(ctx, wanted.Account, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	key, err := keyutil.PrivateKeyFromFile(c.server.certs.file("service-accounts.key"))
	if err != nil {
		return "", err
	}
	generator, err := serviceaccount.JWTTokenGenerator(tokenIssuer, key)
	if err != nil {
		return "", err
	}
	// The API server allows for clocks that differ by a minute, so a token lives a minute longer than it says.
	const leeway = 60
	internal := core.ServiceAccount{ObjectMeta: account.ObjectMeta}
	claims, private, err := serviceaccount.Claims(internal, nil, nil, nil, wanted.Seconds-leeway, 0, []string{tokenIssuer})
	if err != nil {
		return "", err
	}
	return generator.GenerateToken(ctx, claims, private)
}

type nodeState struct {
	Name   string   `json:"name"`
	Online bool     `json:"online"`
	Pods   []string `json:"pods"`
}

type clusterState struct {
	ApiServer bool        `json:"apiServer"`
	Images    []string    `json:"images"`
	Nodes     []nodeState `json:"nodes"`
}

func (c *cluster) state() clusterState {
	state := clusterState{ApiServer: c.server.running(), Images: c.listImages()}
	for _, n := range c.nodes {
		one := nodeState{Name: n.name, Online: n.online(), Pods: []string{}}
		for _, p := range n.all() {
			one.Pods = append(one.Pods, p.pod.Namespace+"/"+p.pod.Name)
		}
		state.Nodes = append(state.Nodes, one)
	}
	return state
}
