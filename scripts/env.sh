# Source this file in bash or zsh to use what "make build" made:
#   . scripts/env.sh
# It activates .venv, sources install/, lets edited Python files win over installed copies, and gives Fast DDS the
# profile for large messages unless the shell has one already.

_depth_perception_source="${BASH_SOURCE:-$0}"
_depth_perception_root="$(cd "$(dirname "$_depth_perception_source")/.." && pwd)"

if [ ! -f "$_depth_perception_root/.venv/bin/activate" ] || [ ! -f "$_depth_perception_root/install/setup.sh" ]; then
  echo "depth_perception is not built yet. Type: make -C $_depth_perception_root build" >&2
else
  . "$_depth_perception_root/.venv/bin/activate"
  # with ROS from wheels the virtual environment is also the ROS prefix
  if [ -d "$_depth_perception_root/.venv/share/ament_index" ]; then
    case ":${AMENT_PREFIX_PATH:-}:" in
      *":$_depth_perception_root/.venv:"*) ;;
      *) export AMENT_PREFIX_PATH="$_depth_perception_root/.venv${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}" ;;
    esac
  fi
  if [ -n "${ZSH_VERSION:-}" ]; then
    . "$_depth_perception_root/install/setup.zsh"
  else
    . "$_depth_perception_root/install/setup.bash"
  fi
  case ":${PYTHONPATH:-}:" in
    ":$_depth_perception_root:"*) ;;
    *) export PYTHONPATH="$_depth_perception_root${PYTHONPATH:+:$PYTHONPATH}" ;;
  esac
  export PATH="$_depth_perception_root/install/depth_perception/lib/depth_perception:$PATH"
  eval "$(python -m depth_perception.ros.fastdds)"
fi
unset _depth_perception_source _depth_perception_root
