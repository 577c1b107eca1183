import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** The client checks with the reference's Java client: `java -cp ... Check.java HOST:PORT`; see check_kazoo.py for its ways. */
public class Check {

    private static final int TIMEOUT_MS = 6000;

    public static void main(String[] arguments) throws Exception {
        CountDownLatch expired = new CountDownLatch(1);
        ZooKeeper client = connect(arguments[0], expired);
        long session = client.getSessionId();
        write(client);
        watch(client);
        multi(client);
        System.out.println("restart");
        new BufferedReader(new InputStreamReader(System.in)).readLine();
        reconnect(client, session);
        System.out.println("pause");
        ok("the session expires", expired.await(40, TimeUnit.SECONDS));
        try {
            client.getData("/java", false, null);
            ok("the expired session is refused", false);
        } catch (KeeperException.SessionExpiredException e) {
            ok("the expired session is refused", true);
        }
        ZooKeeper again = connect(arguments[0], new CountDownLatch(1));
        CountDownLatch gone = new CountDownLatch(1);
        if (again.exists("/java/e", event -> gone.countDown()) == null) {
            gone.countDown();
        }
        ok("its ephemeral is gone", gone.await(30, TimeUnit.SECONDS));
        org.apache.zookeeper.ZKUtil.deleteRecursive(again, "/java");
        again.close();
        System.out.println("done");
        System.exit(0);
    }

    private static ZooKeeper connect(String address, CountDownLatch expired) throws Exception {
        CountDownLatch connected = new CountDownLatch(1);
        ZooKeeper client = new ZooKeeper(address, TIMEOUT_MS, event -> {
            if (event.getState() == Watcher.Event.KeeperState.SyncConnected) {
                connected.countDown();
            } else if (event.getState() == Watcher.Event.KeeperState.Expired) {
                expired.countDown();
            }
        });
        ok("connect", connected.await(30, TimeUnit.SECONDS));
        return client;
    }

    private static void write(ZooKeeper client) throws Exception {
        byte[] data = "one".getBytes();
        ok("create", client.create("/java", data, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT).equals("/java"));
        String name = client.create("/java/s-", data, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL);
        ok("create sequential", name.equals("/java/s-0000000000"));
        Stat stat = new Stat();
        client.create("/java/e", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL, stat);
        ok("create ephemeral", stat.getEphemeralOwner() == client.getSessionId());
        client.create("/java/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER);
        ok("read", Arrays.equals(client.getData("/java", false, stat), data) && stat.getNumChildren() == 3);
        ok("children", new TreeSet<>(client.getChildren("/java", false)).toString().equals("[c, e, s-0000000000]"));
        ok("all children", client.getAllChildrenNumber("/java") == 3);
        ok("ephemerals", client.getEphemerals().equals(List.of("/java/e")));
        ok("acl", client.getACL("/java", stat).equals(Ids.OPEN_ACL_UNSAFE));
    }

    private static void watch(ZooKeeper client) throws Exception {
        CountDownLatch data = new CountDownLatch(1);
        CountDownLatch children = new CountDownLatch(1);
        CountDownLatch below = new CountDownLatch(3);
        client.addWatch("/java", event -> below.countDown(), org.apache.zookeeper.AddWatchMode.PERSISTENT_RECURSIVE);
        client.getData("/java", event -> data.countDown(), null);
        client.getChildren("/java", event -> children.countDown());
        client.setData("/java", "two".getBytes(), 0);
        client.create("/java/child", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        client.create("/java/child/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        ok("data watch", data.await(30, TimeUnit.SECONDS));
        ok("child watch", children.await(30, TimeUnit.SECONDS));
        ok("recursive watch", below.await(30, TimeUnit.SECONDS));
        client.removeAllWatches("/java", Watcher.WatcherType.Any, false);
        client.delete("/java/child/x", -1);
    }

    private static void multi(ZooKeeper client) throws Exception {
        List<OpResult> results = client.multi(List.of(
            Op.check("/java", 1), Op.create("/java/m", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
            Op.setData("/java", "three".getBytes(), 1), Op.delete("/java/child", -1)));
        ok("multi", results.size() == 4 && ((OpResult.SetDataResult) results.get(2)).getStat().getVersion() == 2);
        try {
            client.multi(List.of(Op.setData("/java", null, -1), Op.create("/java/m", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT)));
            ok("multi that fails", false);
        } catch (KeeperException.NodeExistsException e) {
            ok("multi that fails", e.getResults().size() == 2);
        }
        results = client.multi(List.of(Op.getData("/java"), Op.getChildren("/java"), Op.getData("/none")));
        boolean read = new String(((OpResult.GetDataResult) results.get(0)).getData()).equals("three");
        ok("multi of reads", read && ((OpResult.ErrorResult) results.get(2)).getErr() == KeeperException.Code.NONODE.intValue());
    }

    private static void reconnect(ZooKeeper client, long session) throws Exception {
        CountDownLatch data = new CountDownLatch(1);
        for (int tries = 0; ; tries++) {
            try {
                client.getData("/java", event -> data.countDown(), null);
                break;
            } catch (KeeperException.ConnectionLossException e) {
                ok("reconnect", tries < 100);
                Thread.sleep(100);
            }
        }
        ok("same session", client.getSessionId() == session);
        ok("the ephemeral is still there", client.exists("/java/e", false) != null);
        client.setData("/java", "four".getBytes(), -1);
        ok("watch after the restart", data.await(30, TimeUnit.SECONDS));
    }

    private static void ok(String name, boolean holds) {
        System.out.println((holds ? "ok " : "failed ") + name);
        if (!holds) {
            System.exit(1);
        }
    }
}
