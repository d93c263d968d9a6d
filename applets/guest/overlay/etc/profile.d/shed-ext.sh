# Where the clients in a shell find shed-ext-guest.service; services of a user read
# /etc/environment.d/60-shed-ext.conf. What is set already stays: a forwarded agent, for one.

# Socket and token are the service's user's and root's: whoever else had the variables would get errors.
if [ ! -e /run/shed-extensions ] || [ -x /run/shed-extensions ]; then
  export SSH_AUTH_SOCK="${SSH_AUTH_SOCK:-/run/shed-extensions/ssh-agent.sock}"
  export AWS_CONTAINER_CREDENTIALS_FULL_URI="${AWS_CONTAINER_CREDENTIALS_FULL_URI:-http://127.0.0.1:499/credentials}"
  export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="${AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE:-/run/shed-extensions/aws-token}"
fi
