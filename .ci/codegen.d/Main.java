import com.example.oxcart.controller.v1.ControllerServiceGrpc;
import com.example.oxcart.controller.v1.SetItemRequest;
import com.example.oxcart.type.v1.ErrorReason;
import com.example.oxcart.type.v1.Line;
import com.google.rpc.ErrorInfo;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.ProtoUtils;

/** Makes a client and reads an error, without a server. */
public final class Main {
  private static final Metadata.Key<ErrorInfo> INFO = ProtoUtils.keyForProto(ErrorInfo.getDefaultInstance());

  /** A channel on which every call is refused. */
  private static final class Refusing extends Channel {
    @Override
    public <Q, A> ClientCall<Q, A> newCall(MethodDescriptor<Q, A> method, CallOptions options) {
      return new ClientCall<Q, A>() {
        @Override
        public void start(Listener<A> listener, Metadata headers) {
          String name = ErrorReason.ERROR_REASON_CART_NOT_FOUND.name();
          Metadata trailers = new Metadata();
          trailers.put(INFO, ErrorInfo.newBuilder().setReason(name.substring("ERROR_REASON_".length())).build());
          listener.onClose(Status.NOT_FOUND, trailers);
        }

        @Override
        public void request(int messages) {}

        @Override
        public void cancel(String message, Throwable cause) {}

        @Override
        public void halfClose() {}

        @Override
        public void sendMessage(Q message) {}
      };
    }

    @Override
    public String authority() {
      return "nowhere";
    }
  }

  public static void main(String[] args) {
    Line line = Line.newBuilder().setSku("KITE-OCTO").setQuantity(2).build();
    try {
      ControllerServiceGrpc.newBlockingStub(new Refusing()).setItem(SetItemRequest.newBuilder().setLine(line).build());
      System.exit(1);
    } catch (StatusRuntimeException refused) {
      String reason = refused.getTrailers().get(INFO).getReason();
      System.out.println("java: " + reason);
      System.exit(reason.equals("CART_NOT_FOUND") ? 0 : 1);
    }
  }
}
